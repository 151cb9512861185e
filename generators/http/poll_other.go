//go:build !linux

package http

import "errors"

// A poller is for Linux: elsewhere sessions wait for answers on their
// goroutines, and pause for think times only.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (p *poller) join(*session) int32       { return 0 }
func (p *poller) leave(int32)               {}
func (p *poller) expect(int32, *conn) error { return errors.ErrUnsupported }
func (p *poller) close()                    {}
