// Package middlebox is what kinds share that stand on the path between a client
// and its upstream: TCP proxies, DNS resolvers. All middleboxes of one family
// and one run live in a process of their own (Start, Serve), in its own
// session, so that they do not die with brunt: a dead one would be an outage
// left behind. Brunt holds a pipe to that process, the lifeline. When the pipe
// ends without a word brunt is gone; the middleboxes then break nothing any
// more and pass everything through untouched until the run would have ended.
//
// Faults are set and taken away over a control socket, each by an owner, the
// receipt's ID. How to reach that socket lies in a control file for each
// middlebox, so that any process with the receipt can undo.
package middlebox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A Family is one kind's middleboxes.
type Family struct {
	Command string // the hidden command that runs Serve: "resolver"
	One     string // for messages: "resolver"
	Many    string // "resolvers"
}

// Endpoint is where a middlebox listens and where it passes things on to, as
// host:port. Listening on port 0 takes a free one.
type Endpoint struct {
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
}

// A Box is one middlebox. Serve is called once; the other methods may be called
// from any goroutine, Close more than once.
type Box interface {
	Server
	Holder
}

// A Server is the box's life.
type Server interface {
	Address() string       // where it listens, as host:port
	Serve(context.Context) // until Close; returns when all it began has ended
	Abandon()              // brunt is gone: drop every fault and take none any more
	Close()
}

// A Holder is the faults that are set on the box, by owner.
type Holder interface {
	State() any // what the control socket tells of it; it survives JSON
	// Set sets what an owner asks for, in place of what it had, all or nothing.
	// The error wraps ErrTaken when another owner's is in the way, and ErrOrphan
	// after Abandon.
	Set(owner string, asked *json.Decoder) error
	Drop(owner string)
}

var (
	// ErrTaken says that another owner's fault is in the way.
	ErrTaken = errors.New("another fault has it")
	// ErrOrphan says that brunt is gone.
	ErrOrphan = errors.New("its brunt is gone, so it breaks nothing any more")
	// ErrGone says that the process is not there any more, and nothing it ever
	// did with it.
	ErrGone = errors.New("it is gone")
)

// A Control is what a control file holds: how to reach the control socket. The
// file is readable by its owner only, for the token's sake.
type Control struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Address  string `json:"control"` // host:port of the control socket, on loopback
	Token    string `json:"token"`
	Instance string `json:"instance"` // of the process; ports are used again, this is not
	Pid      int    `json:"pid"`
}

// ReadControl reads a control file.
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

func controlFile(dir, name string) string { return filepath.Join(dir, name+".json") }

// writeControl writes a control file whole or not at all, for its owner only.
func writeControl(path string, c Control) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("write control file: %w", err), os.Remove(temporary))
	}
	return nil
}
