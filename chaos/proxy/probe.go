package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// probeBound is how long one probe connection may take.
	probeBound = time.Second
	// probeTries is how often a connection through the proxy may look harmed,
	// by a busy machine, before it counts.
	probeTries = 3
	// probeSlack is how much slower than a direct one it may always be.
	probeSlack = 20 * time.Millisecond
)

// clean tries whether connections through the proxy are harmed no more, without
// knowing what is spoken on them: it opens one, sends nothing but its end, and
// takes the time until the other side's end comes back, which is a round trip
// for nearly every server. The same is done directly. Where the upstream does
// not answer directly, nothing can be learned, and the proxy's own word stands.
func clean(ctx context.Context, d data) error {
	direct, err := probe(ctx, d.Control.Upstream)
	if err != nil {
		return nil
	}
	allowed := direct + probeSlack
	for _, t := range d.Toxics {
		allowed = max(allowed, direct+t.Delay/2)
	}
	for try := 1; ; try++ {
		through, err := probe(ctx, d.Control.Listen)
		if err == nil && through <= allowed {
			return nil
		}
		if try < probeTries && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("it has no toxic any more, but a connection through it fails: %w", err)
		}
		return fmt.Errorf("it has no toxic any more, but a connection through it takes %s, and a direct one %s",
			through.Round(time.Microsecond), direct.Round(time.Microsecond))
	}
}

// probe measures from the end of our stream to the end of theirs.
func probe(ctx context.Context, address string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, fmt.Errorf("open probe connection: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, fmt.Errorf("open probe connection: %w", err)
	}
	started := time.Now()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, fmt.Errorf("end probe connection: %w", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return 0, fmt.Errorf("read probe connection: %w", err)
	}
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return 0, err
	}
	return time.Since(started), nil
}
