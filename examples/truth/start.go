package truth

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// A Server is a truth server in a process of its own.
type Server struct {
	URL string // http://127.0.0.1:PORT

	cmd    *exec.Cmd
	life   io.Closer     // the write end of its standard input; it ends when this does
	done   chan struct{} // closed when it has ended and was reaped
	client *http.Client
}

// Bounds on waiting for the process.
const (
	startTime  = 10 * time.Second
	stopTime   = 2 * time.Second
	answerTime = 5 * time.Second
)

// Start runs `exe truth ARGS` and returns when it listens. ctx bounds the
// start only; the server lives until Stop or until this process ends in any
// way. The process inherits the calling thread's CPU affinity.
func Start(ctx context.Context, exe string, args ...string) (*Server, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, append([]string{"truth"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the truth server: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the truth server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the truth server: %w", err)
	}
	s := &Server{cmd: cmd, life: in, done: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerTime}}
	var hello greeting
	read := make(chan error, 1)
	go func() { // ends with the process, which is killed below at the latest
		line, err := bufio.NewReader(io.LimitReader(out, 4096)).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &hello)
		}
		read <- err
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // how it ended does not matter once it has
		close(s.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	select {
	case err = <-read:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.Stop()
		if text := strings.TrimSpace(said.String()); text != "" {
			err = errors.New(text)
		}
		return nil, fmt.Errorf("start the truth server: %w", err)
	}
	s.URL = hello.URL
	return s, nil
}

// Stop ends the server and returns when its process is gone. It is idempotent.
func (s *Server) Stop() {
	_ = s.life.Close() // an error means that it was closed already
	select {
	case <-s.done:
		return
	case <-time.After(stopTime):
	}
	_ = s.cmd.Process.Kill() // an error means that it is gone
	<-s.done
}

// Report asks the server for what happened.
func (s *Server) Report(ctx context.Context) (Report, error) {
	var r Report
	body, err := s.ask(ctx, http.MethodGet)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		return Report{}, fmt.Errorf("ask the truth server: %w", err)
	}
	return r, nil
}

// Forget makes the server start all plants and counts anew.
func (s *Server) Forget(ctx context.Context) error {
	if _, err := s.ask(ctx, http.MethodDelete); err != nil {
		return fmt.Errorf("reset the truth server: %w", err)
	}
	return nil
}

func (s *Server) ask(ctx context.Context, method string) (body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+"/truth", http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}
