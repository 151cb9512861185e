package shop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Stack is a running shop.
type Stack struct {
	layout    layout
	keeper    *child
	vars      map[string]string
	processes map[string]string

	stopping sync.Mutex
	stopped  bool
	left     error // what Stop found
}

// Bounds on waiting for processes of our own.
const (
	startTime = 20 * time.Second
	stopTime  = 2 * time.Second
	pollTime  = 20 * time.Millisecond
)

// Start starts a stack and returns when it answers through the load balancer
// with Min replicas ready. ctx bounds the start only, which takes 20 s at the
// most; the stack lives until Stop or until this process ends in any way. When
// Start fails nothing is left running.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s, err := start(ctx, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("start the shop: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (*Stack, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, "pids"), 0o755); err != nil {
		return nil, err
	}
	l, err := newLayout(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	keeper, err := spawn(l, nameKeeper, nameKeeper, true)
	if err != nil {
		return nil, err
	}
	s := &Stack{
		layout: l,
		keeper: keeper,
		vars: map[string]string{
			"url":          "http://" + l.LB,
			"status":       "http://" + l.Autoscaler + "/status",
			"payments":     l.Payments,
			"payments_via": l.PaymentsVia,
		},
		processes: map[string]string{},
	}
	for _, name := range processNames(len(l.Replicas)) {
		s.processes[name] = pidFile(l, name)
	}
	if err := s.awaitReady(ctx); err != nil {
		if o.Stderr != nil {
			s.copyLogs(o.Stderr)
		}
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// awaitReady waits until everything answers.
func (s *Stack) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for {
		err := s.ready(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-s.keeper.done:
			return fmt.Errorf("keeper: ended early: %w; see %s", s.keeper.err, s.layout.Dir)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; see the logs in %s", context.Cause(ctx), err, s.layout.Dir)
		case <-poll.C:
		}
	}
}

func (s *Stack) ready(ctx context.Context, client *http.Client) error {
	for _, look := range []struct{ name, url string }{
		{namePayments, "http://" + s.layout.Payments + "/health"},
		{nameLB, "http://" + s.layout.LB + "/health"},
	} {
		if err := getJSON(ctx, client, look.url, nil); err != nil {
			return fmt.Errorf("%s is not ready: %w", look.name, err)
		}
	}
	var st status
	if err := getJSON(ctx, client, s.vars["status"], &st); err != nil {
		return fmt.Errorf("autoscaler is not ready: %w", err)
	}
	if st.Ready < s.layout.Min {
		return fmt.Errorf("%d of %d replicas are ready", st.Ready, s.layout.Min)
	}
	return nil
}

// Vars are the stack's variables; see VarNames.
func (s *Stack) Vars() map[string]string { return maps.Clone(s.vars) }

// Processes maps the name of each process that faults can target to its pid
// file. The file is there while the process is, and holds the pid in decimal
// and a newline; a replica that was not started yet, or is being replaced, has
// none.
func (s *Stack) Processes() map[string]string { return maps.Clone(s.processes) }

// Stop ends every process of the stack at once, stopped ones included, and
// returns when they are gone, with an error that names what is not. It takes
// 4 s at the most, and less when ctx ends. Further calls return what the first
// one did. It is safe for concurrent use.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.stopped {
		return s.left
	}
	s.stopped = true
	s.left = s.stop(ctx)
	return s.left
}

func (s *Stack) stop(ctx context.Context) error {
	group := s.keeper.pid()
	// The keeper kills the others, waits for them and ends.
	_ = s.keeper.life.Close()
	ask, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	select {
	case <-s.keeper.done:
	case <-ask.Done(): // it hangs: do it for the keeper
		s.keeper.kill()
	}
	var left []process
	deadline := time.Now().Add(stopTime)
	for {
		var err error
		if left, err = groupMembers(group); err != nil {
			return fmt.Errorf("stop the shop: look for processes left over: %w", err)
		}
		if len(left) == 0 {
			<-s.keeper.done
			s.removePidFiles()
			return nil
		}
		for _, p := range left {
			p.kill()
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(pollTime)
	}
	var names []string
	for _, p := range left {
		names = append(names, p.String())
	}
	return fmt.Errorf("stop the shop: still running: %s", strings.Join(names, ", "))
}

// removePidFiles removes those of processes the keeper could not wait for.
func (s *Stack) removePidFiles() {
	for _, file := range s.processes {
		_ = os.Remove(file)
	}
}

// copyLogs shows the end of every log, for a start that failed.
func (s *Stack) copyLogs(w io.Writer) {
	const lines = 5
	for _, name := range append([]string{nameKeeper}, processNames(len(s.layout.Replicas))...) {
		text, err := os.ReadFile(filepath.Join(s.layout.Dir, name+".log"))
		if err != nil || len(text) == 0 {
			continue
		}
		last := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		for _, line := range last[max(0, len(last)-lines):] {
			fmt.Fprintf(w, "%s: %s\n", name, line)
		}
	}
}

func pidFile(l layout, name string) string {
	return filepath.Join(l.Dir, "pids", name+".pid")
}
