package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pseudoTerminal opens a terminal of 80×24: the person's end, and brunt's.
func pseudoTerminal(t *testing.T) (person, tty *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return person, tty
}

// A game day in a terminal: the screen is taken, left by key, given back as it
// was, and only then comes the report.
func TestGamedayInATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	server := httptest.NewServer(target())
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	scenario := fmt.Sprintf(`version: 1
name: short
target: { hosts: [%q] }
loads: { hits: { http: { base: %q }, steps: [{ get: /ok }] } }
phases: [{ name: only, for: 1s, load: { hits: 20/s }, expect: [hits.errors < 1%%] }]
`, server.Listener.Addr().String(), server.URL)
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	person, tty := pseudoTerminal(t)
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}

	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(context.Background(), []string{"gameday", file, "--out", filepath.Join(t.TempDir(), "run")}, tty, tty, &stderr)
		fmt.Fprint(tty, "\nthat was all\n")
	}()
	var transcript strings.Builder
	for chunk := make([]byte, 4096); !strings.Contains(transcript.String(), "that was all"); {
		n, err := person.Read(chunk)
		if err != nil {
			t.Fatalf("%v after %q", err, transcript.String())
		}
		transcript.Write(chunk[:n])
		// Enter leaves a run that is over, and does nothing before.
		if !strings.Contains(transcript.String(), "\x1b[?1049l") {
			if _, err := person.WriteString("\r"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := <-code; got != exitPass || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", got, stderr.String())
	}
	during, after, left := strings.Cut(transcript.String(), "\x1b[?1049l")
	if !left || !strings.Contains(during, "\x1b[?1049h") || strings.Contains(during, "PASS") || !strings.Contains(after, "PASS") {
		t.Errorf("the screen was not taken and given back before the report: %q", transcript.String())
	}
	now, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *now != *before {
		t.Errorf("the terminal was left changed: %+v, was %+v", now, before)
	}
}

func TestHeldOutput(t *testing.T) {
	var to bytes.Buffer
	h := &heldOutput{to: &to}
	fmt.Fprint(h, "a")
	h.hold()
	fmt.Fprint(h, "b")
	if _, err := h.Write(make([]byte, heldLimit)); err != nil { // too much: left out, and said to be
		t.Fatal(err)
	}
	if got := to.String(); got != "a" {
		t.Errorf("while held: %q", got)
	}
	if !h.release() || h.release() {
		t.Error("released more or less than once")
	}
	fmt.Fprint(h, "c")
	if got := to.String(); got != "abbrunt: 1048576 bytes more were written to stderr and are not shown\nc" {
		t.Errorf("after: %q", got)
	}
}
