package middlebox

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
	// callBound is how long a process may take to answer on its control socket.
	callBound = 3 * time.Second
	callTries = 3
	callPause = 50 * time.Millisecond
	maxAnswer = 4 << 20
)

// A Client asks one middlebox of a family, whose state is an S. The zero S is
// returned with every error. Errors wrap ErrGone when the process has ended;
// what the box itself refuses is a *RefusedError.
type Client[S any] struct {
	Family  Family
	Control Control
}

// State asks what is set.
func (c Client[S]) State(ctx context.Context) (S, error) {
	return c.call(ctx, http.MethodGet, "", nil)
}

// Set sets what an owner asks for, in place of what it had, and returns the
// state after it.
func (c Client[S]) Set(ctx context.Context, owner string, what any) (S, error) {
	return c.call(ctx, http.MethodPut, owner, what)
}

// Drop takes away what an owner has set, and returns the state after it.
func (c Client[S]) Drop(ctx context.Context, owner string) (S, error) {
	return c.call(ctx, http.MethodDelete, owner, nil)
}

// call makes one request on a connection of its own. All requests may be made
// twice, so one that a process in the middle of ending cut short is made again.
// It returns ErrGone when nobody listens there, or somebody else does.
func (c Client[S]) call(ctx context.Context, method, owner string, body any) (none S, err error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	for try := 1; ; try++ {
		state, err := c.exchange(ctx, method, owner, body)
		var no *RefusedError
		switch {
		case err == nil:
			return state, nil
		case errors.Is(err, ErrGone), errors.As(err, &no), ctx.Err() != nil, try == callTries:
		case !exists(c.Control.Pid):
			err = ErrGone // whoever failed to answer is somebody else
		default:
			select {
			case <-ctx.Done():
			case <-time.After(callPause):
			}
			continue
		}
		return none, fmt.Errorf("ask %s %s (process %d): %w", c.Family.One, c.Control.Name, c.Control.Pid, err)
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

func (c Client[S]) exchange(ctx context.Context, method, owner string, body any) (state S, err error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return state, err
		}
		sent = bytes.NewReader(text)
	}
	path := "/boxes/" + url.PathEscape(c.Control.Name)
	if owner != "" {
		path += "/owners/" + url.PathEscape(owner)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.Control.Address+path, sent)
	if err != nil {
		return state, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Control.Token)
	transport := &http.Transport{DisableKeepAlives: true, Proxy: nil}
	response, err := transport.RoundTrip(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return state, ErrGone
	}
	if err != nil {
		return state, err
	}
	defer response.Body.Close()
	if response.Header.Get(instanceHeader) != c.Control.Instance {
		return state, ErrGone
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return state, err
	}
	if response.StatusCode != http.StatusOK {
		var no refusal
		if json.Unmarshal(text, &no) != nil || no.Error == "" {
			no.Error = response.Status
		}
		return state, &RefusedError{Status: response.StatusCode, Reason: no.Error}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return state, fmt.Errorf("read answer: %w", err)
	}
	return state, nil
}

// A RefusedError is the other side's own no.
type RefusedError struct {
	Status int // of HTTP
	Reason string
}

func (e *RefusedError) Error() string { return e.Reason }

// Is makes a conflict an ErrTaken.
func (e *RefusedError) Is(target error) bool {
	return target == ErrTaken && e.Status == http.StatusConflict
}
