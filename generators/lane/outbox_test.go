//go:build linux

package lane

import (
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/uring"
)

// What goes out together fares as it does alone, with a ring and without one:
// every arrival is sent once, and ends as the target had it.
func TestOutbox(t *testing.T) {
	if probe, err := uring.New(burst); err != nil {
		t.Fatalf("%v (see kernel.io_uring_disabled, or the container's seccomp profile)", err)
	} else if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	for name, ringErr := range map[string]error{"ring": nil, "none": errors.New("not wanted")} {
		for _, model := range []string{"open", "closed"} {
			t.Run(name+" "+model, func(t *testing.T) {
				var requests atomic.Int64
				var refused, fine, reset atomic.Int64
				to := serve(t, func(n, _ int) string {
					requests.Add(1)
					switch n % 10 {
					case 3:
						refused.Add(1)
						return "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
					case 5:
						fine.Add(1)
						return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nokclose"
					case 8:
						reset.Add(1)
						return "reset"
					}
					fine.Add(1)
					return ok
				})
				r := newRun()
				if model == "open" {
					r.Origin = r.Origin.Add(-100 * time.Millisecond) // all of it is late: it goes out in bursts
					r.Arrivals = evenly(3000, 20*time.Microsecond)
				} else {
					r.End = 200 * time.Millisecond
					r.Users = func(time.Duration) int { return 64 }
				}
				var ops []generators.LoopOp
				r.Record = func(op *generators.LoopOp) { ops = append(ops, *op) }
				l := newLane(config(to), r)
				l.outbox.ringErr = ringErr
				if err := l.play(); err != nil {
					t.Fatal(err)
				}
				want := map[generators.Class]int{
					generators.OK: int(fine.Load()), generators.Status: int(refused.Load()), generators.Reset: int(reset.Load()),
				}
				if got := classes(ops); !maps.Equal(got, want) {
					t.Errorf("ended as %v, the target had them as %v", got, want)
				}
				if int64(len(ops)) != requests.Load() || int64(len(ops)) != r.Stats.Sent.Load() || len(ops) < 200 {
					t.Errorf("%d operations, %d sent, %d requests came", len(ops), r.Stats.Sent.Load(), requests.Load())
				}
				if s := r.Stats; s.InFlight.Load() != 0 || s.Waiting.Load() != 0 || s.Sessions.Load() != 0 {
					t.Errorf("left over: %d in flight, %d waiting, %d sessions", s.InFlight.Load(), s.Waiting.Load(), s.Sessions.Load())
				}
			})
		}
	}
}

// A connection whose operation ended between its posting and the flush is left
// alone: its descriptor may be another's by then.
func TestPostedAndGone(t *testing.T) {
	to := serve(t, func(int, int) string { return ok })
	r := newRun()
	r.Arrivals = evenly(1, 0)
	r.Record = func(*generators.LoopOp) {}
	l := newLane(config(to), r)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := pair[0], pair[1]
	defer unix.Close(ours)
	defer unix.Close(theirs)
	for range worth {
		l.post(&conn{fd: int32(ours)})
		l.post(&conn{fd: int32(ours), busy: true, sent: 1})
	}
	if !l.flush() {
		t.Error("nothing was posted")
	}
	if n, err := unix.Read(theirs, make([]byte, 10)); err == nil {
		t.Errorf("%d bytes were sent", n)
	}
	l.post(&conn{fd: int32(ours), busy: true})
	l.flush()
	if n, err := unix.Read(theirs, make([]byte, 100)); err != nil || n != len(l.Request) {
		t.Errorf("%d bytes of the request were sent: %v", n, err)
	}
}
