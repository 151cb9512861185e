package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A tool is a load generator.
type tool struct {
	name, version string
	file          string
	// args is how it is called; nil: it cannot play that contest.
	args func(c contest, url string, length time.Duration) []string
	// read finds the percentiles in what it printed; 0: it does not say.
	read func(out []byte) (p50, p99 time.Duration, err error)
	// input is what it is given to read, if anything.
	input func(url string) string
	// after asks it for its report once it has ended, in place of its output.
	after []string
	dir   string
}

// found is everything that bench knows of. Prepare makes files that the tool
// needs in a directory of its own.
var known = []struct {
	name    string
	version []string // arguments that make it say its version
	tool
}{
	{"brunt", []string{"--version"}, tool{args: bruntArgs}},
	{"wrk", []string{"-v"}, tool{args: wrkArgs, read: readWrk}},
	{"wrk2", []string{"-v"}, tool{args: wrk2Args, read: readWrk}},
	{"fortio", []string{"version"}, tool{args: fortioArgs, read: readFortio}},
	{"vegeta", []string{"-version"}, tool{args: vegetaArgs, read: readVegeta, input: func(url string) string { return "GET " + url + "\n" }, after: []string{"report", "-type=json", "vegeta.bin"}}},
	{"k6", []string{"version"}, tool{args: k6Args, read: readK6}},
	{"h2load", []string{"--version"}, tool{args: h2loadArgs, read: func([]byte) (p50, p99 time.Duration, err error) { return 0, 0, nil }}},
	{"bombardier", []string{"--version"}, tool{args: bombardierArgs, read: readBombardier}},
}

// find looks for the tools, brunt first, and names those that are not there.
func find(ctx context.Context, brunt, dir string) (there []tool, missing []string) {
	for _, k := range known {
		t := k.tool
		t.name, t.dir, t.file = k.name, filepath.Join(dir, k.name+".d"), brunt
		if k.name == "brunt" {
			t.read = func([]byte) (p50, p99 time.Duration, err error) {
				return readBrunt(filepath.Join(t.dir, "run", "report.json"))
			}
		} else {
			var err error
			if t.file, err = exec.LookPath(k.name); err != nil {
				missing = append(missing, k.name)
				continue
			}
		}
		out, _ := exec.CommandContext(ctx, t.file, k.version...).CombinedOutput() // wrk says it with exit code 1
		t.version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
		there = append(there, t)
	}
	if len(missing) == 0 {
		missing = []string{"none"}
	}
	return there, missing
}

// grace is how much longer than its turn a tool may take.
const grace = 30 * time.Second

// play runs the tool on the CPUs and returns what it printed, and the CPU time
// that it took.
func (t tool) play(ctx context.Context, cpus []int, args []string, url string, length time.Duration) (out []byte, used time.Duration, err error) {
	if err := errors.Join(os.RemoveAll(t.dir), os.MkdirAll(t.dir, 0o755)); err != nil {
		return nil, 0, fmt.Errorf("make room: %w", err)
	}
	if err := os.WriteFile(filepath.Join(t.dir, "k6.js"), []byte(k6Script), 0o600); err != nil {
		return nil, 0, fmt.Errorf("write script: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, length+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.file, args...)
	cmd.Dir = t.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if t.input != nil {
		cmd.Stdin = strings.NewReader(t.input(url))
	}
	if err := pinned(cpus, cmd.Start); err != nil {
		return nil, 0, fmt.Errorf("start: %w", err)
	}
	err = cmd.Wait()
	used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	// brunt's exit code is a verdict on its measurements; they are there all the same.
	if err != nil && (t.name != "brunt" || cmd.ProcessState.ExitCode() != exitInconclusive) {
		return nil, 0, fmt.Errorf("%w: %s", err, lastLine(stderr.String()+stdout.String()))
	}
	out = stdout.Bytes()
	if t.after != nil {
		cmd := exec.CommandContext(ctx, t.file, t.after...)
		cmd.Dir = t.dir
		if out, err = cmd.Output(); err != nil {
			return nil, 0, fmt.Errorf("report: %w", err)
		}
	}
	return out, used, nil
}

// exitInconclusive is brunt's exit code for a run in which, say, the machine
// had hiccups.
const exitInconclusive = 3

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func bruntArgs(c contest, url string, length time.Duration) []string {
	args := []string{"quick", url, "--for", length.String(), "--out", "run"}
	if c.rate > 0 {
		return append(args, "--rate", fmt.Sprintf("%d/s", c.rate))
	}
	return append(args, "--users", strconv.Itoa(c.connections))
}

func readBrunt(file string) (p50, p99 time.Duration, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, fmt.Errorf("read report: %w", err)
	}
	var report struct {
		Loads map[string]struct {
			Response struct {
				P50 time.Duration `json:"p50_ns"`
				P99 time.Duration `json:"p99_ns"`
			} `json:"response"`
		} `json:"loads"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return 0, 0, fmt.Errorf("read report: %w", err)
	}
	r := report.Loads["quick"].Response
	return r.P50, r.P99, nil
}

func seconds(length time.Duration) string { return strconv.Itoa(int(length / time.Second)) }

func wrkArgs(c contest, url string, length time.Duration) []string {
	if c.rate > 0 {
		return nil
	}
	return []string{"-t1", fmt.Sprintf("-c%d", c.connections), "-d" + seconds(length) + "s", "--latency", url}
}

func wrk2Args(c contest, url string, length time.Duration) []string {
	if c.rate == 0 {
		return nil
	}
	return []string{"-t1", fmt.Sprintf("-c%d", c.connections), "-d" + seconds(length) + "s", fmt.Sprintf("-R%d", c.rate), "--latency", url}
}

func fortioArgs(c contest, url string, length time.Duration) []string {
	return []string{"load", "-c", strconv.Itoa(c.connections), "-t", seconds(length) + "s", "-qps", strconv.Itoa(c.rate), "-r", "0.00001", "-p", "50,99", url}
}

func vegetaArgs(c contest, _ string, length time.Duration) []string {
	return []string{"attack", "-rate", strconv.Itoa(c.rate), "-duration", length.String(), "-connections", strconv.Itoa(c.connections),
		"-max-workers", strconv.Itoa(c.connections), "-output", "vegeta.bin"}
}

func k6Args(c contest, url string, length time.Duration) []string {
	return []string{"run", "--quiet", "--summary-trend-stats", "med,p(99)", "-e", "URL=" + url, "-e", "FOR=" + seconds(length) + "s",
		"-e", "RATE=" + strconv.Itoa(c.rate), "-e", "CONNECTIONS=" + strconv.Itoa(c.connections), "k6.js"}
}

const k6Script = `import http from 'k6/http';
const c = Number(__ENV.CONNECTIONS), rate = Number(__ENV.RATE);
const common = { duration: __ENV.FOR, gracefulStop: '2s' };
export const options = { discardResponseBodies: true, scenarios: { bench: rate === 0
  ? { executor: 'constant-vus', vus: c, ...common }
  : { executor: 'constant-arrival-rate', rate: rate, timeUnit: '1s', preAllocatedVUs: c, maxVUs: c, ...common } } };
export default function () { http.get(__ENV.URL); }
`

// h2load's rate is for each connection.
func h2loadArgs(c contest, url string, length time.Duration) []string {
	args := []string{"--h1", "-t1", "-c", strconv.Itoa(c.connections), "-D", seconds(length)}
	if c.rate > 0 {
		args = append(args, "--rps", strconv.FormatFloat(float64(c.rate)/float64(c.connections), 'f', -1, 64))
	}
	return append(args, url)
}

func bombardierArgs(c contest, url string, length time.Duration) []string {
	args := []string{"-c", strconv.Itoa(c.connections), "-d", length.String(), "-l", "-p", "r", "-o", "json", "--fasthttp"}
	if c.rate > 0 {
		args = append(args, "-r", strconv.Itoa(c.rate))
	}
	return append(args, url)
}

var (
	wrkLine    = regexp.MustCompile(`(?m)^\s+(50|99)(?:\.000)?%\s+([0-9.]+(?:us|ms|s|m|h))\s*$`)
	fortioLine = regexp.MustCompile(`(?m)^# target (50|99)% ([0-9.e+-]+)\s*$`)
	k6Line     = regexp.MustCompile(`http_req_duration\.*: +med=(\S+) +p\(99\)=(\S+)`)
)

// readWrk reads the latency table of wrk and of wrk2.
func readWrk(out []byte) (p50, p99 time.Duration, err error) {
	found := map[string]time.Duration{}
	for _, m := range wrkLine.FindAllSubmatch(out, -1) {
		if _, again := found[string(m[1])]; !again { // wrk2 may print a second, uncorrected one
			if found[string(m[1])], err = time.ParseDuration(string(m[2])); err != nil {
				return 0, 0, fmt.Errorf("read its latency table: %w", err)
			}
		}
	}
	return both(found["50"], found["99"])
}

func readFortio(out []byte) (p50, p99 time.Duration, err error) {
	found := map[string]time.Duration{}
	for _, m := range fortioLine.FindAllSubmatch(out, -1) {
		s, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read its percentiles: %w", err)
		}
		found[string(m[1])] = time.Duration(s * float64(time.Second))
	}
	return both(found["50"], found["99"])
}

func readVegeta(out []byte) (p50, p99 time.Duration, err error) {
	var report struct {
		Latencies struct {
			P50 time.Duration `json:"50th"`
			P99 time.Duration `json:"99th"`
		} `json:"latencies"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, 0, fmt.Errorf("read its report: %w", err)
	}
	return both(report.Latencies.P50, report.Latencies.P99)
}

func readK6(out []byte) (p50, p99 time.Duration, err error) {
	m := k6Line.FindSubmatch(out)
	if m == nil {
		return 0, 0, errNoPercentiles
	}
	p50, err50 := time.ParseDuration(string(m[1]))
	p99, err99 := time.ParseDuration(string(m[2]))
	if err := errors.Join(err50, err99); err != nil {
		return 0, 0, fmt.Errorf("read its summary: %w", err)
	}
	return both(p50, p99)
}

// readBombardier reads microseconds.
func readBombardier(out []byte) (p50, p99 time.Duration, err error) {
	var report struct {
		Result struct {
			Latency struct {
				Percentiles map[string]float64 `json:"percentiles"`
			} `json:"latency"`
		} `json:"result"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, 0, fmt.Errorf("read its report: %w", err)
	}
	p := report.Result.Latency.Percentiles
	return both(time.Duration(p["50"]*float64(time.Microsecond)), time.Duration(p["99"]*float64(time.Microsecond)))
}

var errNoPercentiles = errors.New("its output has no percentiles that bench can read")

func both(p50, p99 time.Duration) (_, _ time.Duration, err error) {
	if p50 == 0 || p99 == 0 {
		err = errNoPercentiles
	}
	return p50, p99, err
}
