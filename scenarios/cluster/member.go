package cluster

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A Worker is a worker connected: whoever started it gives it to Assemble, which
// is the only one to use it from then on.
type Worker interface {
	// Read and Write are the channel, one goroutine each. Both end when Close is
	// called.
	io.Reader
	io.Writer
	// Where says where it is, for people: "process 4711", "pod x on node y".
	Where() string
	// Fate says what became of a worker that is not heard of any more; empty
	// when nothing is known. It is asked before Close.
	Fate(context.Context) string
	// Close ends the worker, in whatever state it is, and returns when it is
	// gone. It may be called more than once.
	Close(context.Context) error
}

const (
	// silence is how long a worker may leave pings unanswered before it is lost.
	// It gets two a second.
	silence = 4 * time.Second
	// pingEvery is how often it is asked.
	pingEvery = 500 * time.Millisecond
	// The first pings measure the clock.
	firstPings = 16
	firstEvery = 10 * time.Millisecond
	// fateBound is how long it may take to learn what became of a worker.
	fateBound = 2 * time.Second
	// partBound is how long a worker may take to end by itself.
	partBound = 3 * time.Second
	// closeBound is how long a worker may take to be gone.
	closeBound = 10 * time.Second
	// backlog is how many lines may wait for a worker to read them: a worker
	// that does not read is not there.
	backlog = 64
)

// A member is one worker as the controller knows it.
type member struct {
	name   string
	index  int
	worker Worker
	base   time.Time // where the controller's monotonic clock starts
	clock  clock
	// answered is when the last ping that it answered had left, since base. What
	// else it says does not count: it may still be heard when it hears nothing.
	answered atomic.Int64

	tell    chan order
	said    chan<- saying
	ctx     context.Context // ends when nothing is wanted of it any more
	cancel  context.CancelFunc
	ready   chan struct{}  // closed when the worker has the plan; it is asked for the time from then on
	ended   chan struct{}  // closed when the worker's stream has ended
	talking sync.WaitGroup // listen and speak

	// Of the goroutine that follows the crew.
	isReady, done, lost bool
	lostAt              time.Duration
	why                 error         // it was given up
	reached             time.Duration // the last whole second that it told of
	sum                 journal.Worker
}

// A saying is something heard of a member.
type saying struct {
	from  *member
	what  answer
	batch journal.Batch // of what.Second
	err   error         // it will say no more
	fate  string        // what became of it, once lost
	known bool          // the fate is
}

func newMember(ctx context.Context, index int, w Worker, base time.Time, said chan<- saying) *member {
	m := &member{name: fmt.Sprintf("worker-%d", index), index: index, worker: w, base: base, tell: make(chan order, backlog), said: said, ready: make(chan struct{}), ended: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.sum.Where = w.Where()
	m.answered.Store(int64(time.Since(base)))
	m.talking.Go(m.listen)
	m.talking.Go(m.speak)
	return m
}

// listen takes what the worker says. Answers to pings stop here.
func (m *member) listen() {
	defer close(m.ended)
	in := newLineReader(m.worker)
	var decoder journal.Decoder
	ready := false
	for {
		s := saying{from: m}
		s.err = in.next(&s.what)
		now := time.Now()
		if p := s.what.Pong; p != nil {
			m.answered.Store(p.Sent)
			m.clock.take(*p, now.Sub(m.base), now)
			continue
		}
		if s.what.Ready != nil && !ready {
			ready = true
			close(m.ready)
		}
		if told := s.what.Second; told != nil {
			s.batch, s.err = decoder.Decode([]byte(told.Events), []byte(told.Latency))
		}
		select {
		case m.said <- s:
		case <-m.ctx.Done():
			return
		}
		if s.err != nil {
			return
		}
	}
}

// speak tells the worker what it is to be told, and asks it for the time.
func (m *member) speak() {
	out := newLineWriter(m.worker)
	next := time.NewTimer(pingEvery)
	defer next.Stop()
	ready := m.ready
	for pings := 0; ; {
		var o order
		select {
		case o = <-m.tell:
		case <-ready:
			ready = nil
			next.Reset(0)
			continue
		case <-next.C:
			if ready != nil {
				next.Reset(pingEvery) // what it answers while it starts says nothing of the way
				continue
			}
			o.Ping = &ping{Sent: int64(time.Since(m.base))}
			if pings++; pings < firstPings {
				next.Reset(firstEvery)
			} else {
				next.Reset(pingEvery)
			}
		case <-m.ctx.Done():
			return
		}
		if err := out.write(o); err != nil {
			// Its stream is broken, which listen tells, or Close was called.
			return
		}
	}
}

// order leaves a line for the worker. One that has not read the lines before it
// gets no more: it is stalled, and found lost by its silence.
func (m *member) order(o order) {
	select {
	case m.tell <- o:
	default:
	}
}

// send leaves a line for the worker, and waits until there is room.
func (m *member) send(ctx context.Context, o order) error {
	select {
	case m.tell <- o:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.ctx.Done():
		return io.ErrClosedPipe
	}
}

// silentFor is for how long it is not known that the worker hears and is heard.
func (m *member) silentFor() time.Duration {
	return time.Since(m.base) - time.Duration(m.answered.Load())
}

// inquire asks what became of a lost worker, says so, and ends what is left of
// it: one that is only frozen or cut off must not go on with its load.
func (m *member) inquire() {
	ctx, cancel := context.WithTimeout(context.Background(), fateBound)
	defer cancel()
	s := saying{from: m, fate: m.worker.Fate(ctx), known: true}
	select {
	case m.said <- s:
	case <-m.ctx.Done():
	}
	ctx, cancel = context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	_ = m.worker.Close(ctx) // it is called again in the end, and then heard
}

// close lets the worker go, sees that it ends, and ends the goroutines that
// speak with it. Whoever calls it takes in what the worker still says.
func (m *member) close() error {
	if !m.lost {
		m.order(order{End: true})
		patience := time.NewTimer(partBound)
		defer patience.Stop()
		select {
		case <-m.ended:
		case <-patience.C:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	m.cancel()
	err := m.worker.Close(ctx)
	m.talking.Wait()
	if err != nil {
		return fmt.Errorf("end %s (%s): %w", m.name, m.sum.Where, err)
	}
	return nil
}

// add takes over what the worker did in a second.
func (m *member) add(b journal.Batch) {
	for _, e := range b.Events {
		if l := e.Load; l != nil {
			m.sum.Offered += l.Offered
			m.sum.Sent += l.Sent
			m.sum.Completed += l.Completed
			m.sum.Dropped += l.Dropped
		}
		if h := e.Health; h != nil {
			m.sum.DispatchLag = max(m.sum.DispatchLag, h.DispatchLag)
			if h.Cores > 0 && h.CPU/float64(h.Cores) >= m.sum.CPU {
				m.sum.CPU, m.sum.Cores = h.CPU/float64(h.Cores), h.Cores
			}
		}
	}
}
