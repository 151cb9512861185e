package serve

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	errKilled = errors.New("the pod was killed")
	errFull   = errors.New("the pod's queue is full")
)

// pod does the work of one simulated pod. Safe for concurrent use.
type pod struct {
	key  Key
	node string
	capacity
	restarts int32
	invalid  error // why its annotations cannot be followed

	slot   chan struct{}
	killed chan struct{} // closed when the pod is gone with what it worked on

	mu      sync.Mutex
	dead    bool
	running int // slots busy
	waiting int
	since   time.Time     // when area was last brought up to date
	area    time.Duration // slots busy × time
	sum     Counts
	last    Reading // the last window's
	mark    mark    // where the last window ended
}

// Key names a pod or a Service.
type Key struct{ Namespace, Name string }

func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Counts are what became of a pod's requests.
type Counts struct {
	Served  uint64 `json:"served"`
	Refused uint64 `json:"refused"` // the queue was full
	Failed  uint64 `json:"failed"`  // the pod was killed under them, or the client went away
}

// mark is a pod's totals at one instant.
type mark struct {
	at     time.Time
	area   time.Duration
	served uint64
}

// Reading is a pod's work over one window.
type Reading struct {
	At       time.Time     `json:"at"`
	Window   time.Duration `json:"window"`
	MilliCPU int64         `json:"milli_cpu"`
	Rate     float64       `json:"rate"`      // requests served per second
	InFlight int           `json:"in_flight"` // at the end of the window
}

func newPod(key Key, node string, c capacity, invalid error, now time.Time) *pod {
	return &pod{
		key: key, node: node, capacity: c, invalid: invalid,
		slot: make(chan struct{}, c.slots), killed: make(chan struct{}),
		since: now, mark: mark{at: now},
	}
}

// do keeps one request as long as the pod would. It returns nil when the pod
// has served it.
func (p *pod) do(ctx context.Context) error {
	p.mu.Lock()
	switch {
	case p.dead:
		p.mu.Unlock()
		return errKilled
	case p.running+p.waiting >= p.slots+p.queue:
		p.sum.Refused++
		p.mu.Unlock()
		return errFull
	}
	p.waiting++
	p.mu.Unlock()

	select {
	case p.slot <- struct{}{}:
	case <-p.killed:
		p.leave(&p.waiting, errKilled)
		return errKilled
	case <-ctx.Done():
		p.leave(&p.waiting, ctx.Err())
		return ctx.Err()
	}
	p.mu.Lock()
	p.advance(time.Now())
	p.waiting--
	p.running++
	p.mu.Unlock()

	var err error
	work := time.NewTimer(p.service)
	select {
	case <-work.C:
	case <-p.killed:
		err = errKilled
	case <-ctx.Done():
		err = ctx.Err()
	}
	work.Stop()
	p.leave(&p.running, err)
	<-p.slot
	return err
}

// leave takes a request out of a count and books what became of it.
func (p *pod) leave(count *int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(time.Now())
	*count--
	if err == nil {
		p.sum.Served++
	} else {
		p.sum.Failed++
	}
}

// advance brings the busy time up to now. The caller holds mu.
func (p *pod) advance(now time.Time) {
	p.area += time.Duration(p.running) * now.Sub(p.since)
	p.since = now
}

// kill ends the pod. Its requests fail at once when abrupt, and are worked on
// to their end otherwise, as by a server that drains on SIGTERM.
func (p *pod) kill(abrupt bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.dead
	p.dead = true
	if first && abrupt {
		close(p.killed)
	}
}

// sample closes a window and opens the next.
func (p *pod) sample(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	window := now.Sub(p.mark.at)
	if window <= 0 {
		return
	}
	busy := float64(p.area-p.mark.area) / float64(window) / float64(p.slots)
	p.last = Reading{
		At: now, Window: window,
		MilliCPU: int64(busy*float64(p.milli) + 0.5),
		Rate:     float64(p.sum.Served-p.mark.served) / window.Seconds(),
		InFlight: p.running + p.waiting,
	}
	p.mark = mark{at: now, area: p.area, served: p.sum.Served}
}
