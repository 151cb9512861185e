package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A job is what a tool is asked to do.
type job struct {
	base, path  string // of the URL
	connections int
	rate        int // arrivals a second; 0: the closed model
	length      time.Duration
}

func (j job) url() string { return j.base + j.path }

// figures are what a tool says of itself; 0: it does not.
type figures struct {
	p50, p99 time.Duration
	wait     time.Duration // p50 of how long arrivals waited before they were sent; brunt only
	// How many were planned, sent and answered well; brunt only.
	planned, sent, succeeded int64
}

// A tool is a load generator, or one way of using it.
type tool struct {
	name   string
	binary string   // in PATH; empty: brunt
	asks   []string // the arguments that make it say its version; nil: that is said already
	gentle bool     // takes ever more connections once it falls behind, and then does nothing but connect
	// args is how it is called; nil: it cannot do that job.
	args func(job) []string
	// files are what it finds in its working directory.
	files func(job) map[string]string
	// input is what it is given to read, if anything.
	input func(job) string
	// after asks it for its report once it has ended, in place of its output.
	after []string
	// read finds the figures in what it printed, or in its working directory.
	read func(dir string, out []byte) (figures, error)

	version, file, dir string
}

// find looks for the tools and names those that are not there.
func find(ctx context.Context, o options, dir string) (there []tool, absent []string) {
	for i, t := range known {
		if len(o.tools) > 0 && !slices.Contains(o.tools, t.name) {
			continue
		}
		t.dir, t.file = filepath.Join(dir, fmt.Sprint(i)), o.brunt
		if t.binary != "" {
			var err error
			if t.file, err = exec.LookPath(t.binary); err != nil {
				absent = append(absent, t.name)
				continue
			}
		}
		if t.asks != nil {
			t.version = t.says(ctx)
		}
		there = append(there, t)
	}
	return there, absent
}

// says is the tool's version: what the Go toolchain wrote into it, or else the
// first line that it prints when asked.
func (t tool) says(ctx context.Context) string {
	if info, err := buildinfo.ReadFile(t.file); err == nil && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Path + " " + info.Main.Version
	}
	out, _ := exec.CommandContext(ctx, t.file, t.asks...).CombinedOutput() // wrk says it with exit code 1
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

func toolNames(tools []tool) (names []string) {
	for _, t := range tools {
		names = append(names, t.name)
	}
	return names
}

// grace is how much longer than its turn a tool may take.
const grace = 30 * time.Second

// play runs the tool on the CPUs and returns what it says, and the CPU time
// that it took.
func (t tool) play(ctx context.Context, cpus []int, j job) (f figures, used time.Duration, err error) {
	if err := errors.Join(os.RemoveAll(t.dir), os.MkdirAll(t.dir, 0o755)); err != nil {
		return f, 0, fmt.Errorf("make room: %w", err)
	}
	if t.files != nil {
		for name, text := range t.files(j) {
			if err := os.WriteFile(filepath.Join(t.dir, name), []byte(text), 0o600); err != nil {
				return f, 0, fmt.Errorf("write its input: %w", err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, j.length+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.file, t.args(j)...)
	cmd.Dir = t.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if t.input != nil {
		cmd.Stdin = strings.NewReader(t.input(j))
	}
	if err := pinned(cpus, cmd.Start); err != nil {
		return f, 0, fmt.Errorf("start: %w", err)
	}
	err = cmd.Wait()
	used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	// brunt's exit code is a verdict on its measurements; they are there all the same.
	if err != nil && (t.binary != "" || cmd.ProcessState.ExitCode() != exitInconclusive) {
		return f, 0, fmt.Errorf("%w: %s", err, lastLine(stderr.String()+stdout.String()))
	}
	out := stdout.Bytes()
	if t.after != nil {
		cmd := exec.CommandContext(ctx, t.file, t.after...)
		cmd.Dir = t.dir
		if out, err = cmd.Output(); err != nil {
			return f, 0, fmt.Errorf("report: %w", err)
		}
	}
	f, err = t.read(t.dir, out)
	return f, used, err
}

// exitInconclusive is brunt's exit code for a run in which, say, the machine
// had hiccups.
const exitInconclusive = 3

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
