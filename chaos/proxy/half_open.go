package proxy

import (
	"context"
	"errors"
	"os"
	"time"
)

// halfOpenType makes half-open connections: the side that the toxic's way
// leads to is gone (its connection is reset, or was never opened), and the
// other side is not told. What that one still sends is taken and goes nowhere.
// When the toxic goes away it gets a reset, as from a host that came back and
// knows of no such connection.
const halfOpenType = "half_open"

// halve takes one side of the link away. l.mu is held.
func (l *link) halve(a *active) {
	if l.stopped {
		return
	}
	l.stopped, l.half = true, a
	close(l.dead)
	a.cut.Add(1)
	gone, left := l.upstream, l.client
	if a.Way == downstream {
		gone, left = left, gone
	}
	if gone != nil {
		reset(gone)
	}
	if left != nil {
		_ = left.SetReadDeadline(longAgo)
	}
}

// linger takes what the side that is left of a half-open link still sends,
// until that side gives up, or the toxic goes away, or the link is cut.
func (l *link) linger(ctx context.Context, a *active) {
	left := l.client
	if a.Way == downstream {
		left = l.upstream
	}
	if left == nil {
		return
	}
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-a.gone:
		case <-ctx.Done():
		case <-stop:
			return
		}
		l.cut()
	}()
	_ = left.SetReadDeadline(time.Time{})
	buffer := make([]byte, 4<<10)
	for {
		n, err := left.Read(buffer)
		a.held.Add(int64(n))
		if errors.Is(err, os.ErrDeadlineExceeded) { // toxics changed
			_ = left.SetReadDeadline(time.Time{})
		} else if err != nil {
			break
		}
	}
	close(stop)
	<-watched
}

// remnant is the half-open toxic that took a side of the link away, or nil.
func (l *link) remnant() *active {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.half
}
