package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	// calibrations are how many probes make a baseline: the fastest counts.
	calibrations = 3
	// feelTries is how many connections are tried at most, where a fault hits
	// only a share of them.
	feelTries = 20
	// silence is how long no more may come until an answer of unknown length
	// is taken to be over. Toxiproxy sends every 100 ms where it is slow.
	silence = 150 * time.Millisecond
)

// An echoed is what came back of a probe.
type echoed struct {
	took  time.Duration // until the last byte of the answer
	bytes int
	ended time.Duration // from our end of the stream to theirs; 0: not within the bound
	err   error         // why there was no answer
}

// ask sends the probe through the proxy on a new connection, and takes what
// comes back within the bound.
func (d peerData) ask(ctx context.Context, bound time.Duration) (e echoed) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	started := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.Through)
	if err != nil {
		return echoed{err: fmt.Errorf("open probe connection: %w", err)}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
	defer stop()
	if _, err := io.WriteString(conn, unescape.Replace(d.Probe)); err != nil {
		return echoed{err: fmt.Errorf("send probe: %w", err)}
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			e.took = time.Since(started)
		}
		e.bytes += n
		if err != nil {
			if e.bytes == 0 {
				e.err = fmt.Errorf("read the probe's answer: %w", err)
				return e
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return e
			}
			break
		}
		if d.Answer > 0 && e.bytes >= d.Answer || ctx.Err() != nil || conn.SetReadDeadline(time.Now().Add(silence)) != nil {
			break
		}
	}
	closing := time.Now()
	_ = conn.SetReadDeadline(time.Time{})
	if ctx.Err() != nil || conn.(*net.TCPConn).CloseWrite() != nil {
		return e
	}
	if _, err := io.Copy(io.Discard, conn); err == nil {
		e.ended = time.Since(closing)
	}
	return e
}

// calibrate measures what the probe's answer is like without the fault.
func (d *peerData) calibrate(ctx context.Context) error {
	for i := range calibrations {
		e := d.ask(ctx, probeBound)
		if e.err != nil {
			return fmt.Errorf("probe %s before the fault: %w", d.Peer, e.err)
		}
		if i == 0 || e.took < d.Baseline {
			d.Baseline, d.Answer = e.took, e.bytes
		}
	}
	return nil
}

// healed returns an error when an answer through the proxy is not as it was.
func (d peerData) healed(ctx context.Context) error {
	e := echoed{}
	for range probeTries {
		if e = d.ask(ctx, probeBound); e.err == nil && e.took <= d.Baseline+max(probeSlack, d.extra()/2) {
			return nil
		}
	}
	if e.err != nil {
		return fmt.Errorf("%s has no toxic of ours any more, but a probe through it fails: %w", d.Peer, e.err)
	}
	return fmt.Errorf("%s has no toxic of ours any more, but a probe through it takes %s; before the fault it took %s",
		d.Peer, e.took.Round(time.Microsecond), d.Baseline.Round(time.Microsecond))
}

// extra is how much later the answer must come at least, by the toxics that
// make it late.
func (d peerData) extra() time.Duration {
	var extra time.Duration
	for _, t := range d.Toxics {
		a := t.Attributes
		switch t.Type {
		case "latency":
			extra += time.Duration(max(a["latency"]-a["jitter"], 0)) * time.Millisecond
		case "bandwidth":
			size := d.Answer
			if t.Stream == upstream {
				size = len(unescape.Replace(d.Probe))
			}
			extra += time.Duration(size) * time.Millisecond / time.Duration(max(a["rate"], 1)) / 2
		}
	}
	return extra
}

// feel probes until the fault is felt, on as many connections as its share
// asks for, and says what it felt last.
func (d peerData) feel(ctx context.Context) (felt bool, what string) {
	share := 1.0
	for _, t := range d.Toxics {
		share = min(share, t.Toxicity)
	}
	tries := min(max(int(3/max(share, 0.01)), 1), feelTries)
	if share == 1 {
		tries = 1
	}
	for range tries {
		if felt, what = d.feelOnce(ctx); felt || ctx.Err() != nil {
			break
		}
	}
	return felt, what
}

func (d peerData) feelOnce(ctx context.Context) (felt bool, what string) {
	extra := d.extra()
	bound := probeBound + 4*extra
	var closes time.Duration
	ends := false
	for _, t := range d.Toxics {
		if t.Type == "slow_close" {
			closes += time.Duration(t.Attributes["delay"]) * time.Millisecond
		}
		ends = ends || t.Type == "timeout" || t.Type == "reset_peer" || t.Type == "limit_data"
	}
	e := d.ask(ctx, bound+closes)
	before := fmt.Sprintf("before the fault it took %s for %d bytes", d.Baseline.Round(10*time.Microsecond), d.Answer)
	switch {
	case e.err != nil && ends:
		return true, fmt.Sprintf("a probe got no answer within %s (%v); %s", bound, e.err, before)
	case e.err != nil:
		return false, fmt.Sprintf("a probe got no answer: %v", e.err)
	}
	what = fmt.Sprintf("a probe's answer came after %s, with %d bytes; %s", e.took.Round(10*time.Microsecond), e.bytes, before)
	switch {
	case ends && e.bytes < d.Answer:
		return true, what
	case closes > 0 && e.ended >= closes-time.Millisecond:
		return true, fmt.Sprintf("a probe's connection ended after %s", e.ended.Round(10*time.Microsecond))
	case extra >= time.Millisecond && e.took >= d.Baseline+extra*9/10:
		return true, what
	}
	return false, what
}
