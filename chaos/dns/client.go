package dns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

const (
	// callBound is how long a resolver may take to answer on its control socket.
	callBound = 3 * time.Second
	callTries = 3
	callPause = 50 * time.Millisecond
	maxAnswer = 4 << 20
)

// errNoResolver says that the resolver process is not there any more, and nothing it
// ever did with it.
var errNoResolver = errors.New("the resolver is gone")

// ReadControl reads a resolver's control file.
func ReadControl(path string) (Control, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Control{}, fmt.Errorf("read control file: %w", err)
	}
	var c Control
	if err := json.Unmarshal(text, &c); err != nil {
		return Control{}, fmt.Errorf("read control file %s: %w", path, err)
	}
	return c, nil
}

// State asks the resolver what is set on it.
func (c Control) State(ctx context.Context) (State, error) {
	return c.call(ctx, http.MethodGet, c.path(""), nil)
}

func (c Control) inject(ctx context.Context, owner string, in injection) (State, error) {
	return c.call(ctx, http.MethodPut, c.path(owner), in)
}

func (c Control) drop(ctx context.Context, owner string) (State, error) {
	return c.call(ctx, http.MethodDelete, c.path(owner), nil)
}

func (c Control) path(owner string) string {
	path := "/resolvers/" + url.PathEscape(c.Name)
	if owner != "" {
		path += "/owners/" + url.PathEscape(owner)
	}
	return path
}

// call makes one request on a connection of its own. All requests may be made
// twice, so one that a resolver in the middle of ending cut short is made again.
// It returns errNoResolver when nobody listens there, or somebody else does.
func (c Control) call(ctx context.Context, method, path string, body any) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	for try := 1; ; try++ {
		state, err := c.exchange(ctx, method, path, body)
		var no *refusedError
		switch {
		case err == nil:
			return state, nil
		case errors.Is(err, errNoResolver), errors.As(err, &no), ctx.Err() != nil, try == callTries:
		case !exists(c.Pid):
			err = errNoResolver // whoever failed to answer is somebody else
		default:
			select {
			case <-ctx.Done():
			case <-time.After(callPause):
			}
			continue
		}
		return State{}, fmt.Errorf("ask resolver %s (process %d): %w", c.Name, c.Pid, err)
	}
}

// exists says whether there is a process of that id.
func exists(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer p.Release()
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

func (c Control) exchange(ctx context.Context, method, path string, body any) (State, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return State{}, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.Address+path, sent)
	if err != nil {
		return State{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	transport := &http.Transport{DisableKeepAlives: true, Proxy: nil}
	response, err := transport.RoundTrip(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return State{}, errNoResolver
	}
	if err != nil {
		return State{}, err
	}
	defer response.Body.Close()
	if response.Header.Get(instanceHeader) != c.Instance {
		return State{}, errNoResolver
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return State{}, err
	}
	if response.StatusCode != http.StatusOK {
		var no refusal
		if json.Unmarshal(text, &no) != nil || no.Error == "" {
			no.Error = response.Status
		}
		return State{}, &refusedError{status: response.StatusCode, reason: no.Error}
	}
	var state State
	if err := json.Unmarshal(text, &state); err != nil {
		return State{}, fmt.Errorf("read answer: %w", err)
	}
	return state, nil
}

// A refusedError is the resolver's own no.
type refusedError struct {
	status int
	reason string
}

func (e *refusedError) Error() string { return e.reason }
