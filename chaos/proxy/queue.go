package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readSize is how much is read at once.
	readSize = 64 << 10
	// queueSize bounds what one way of one connection may hold. It limits
	// throughput under latency to queueSize a delay: 80 MB/s at 100 ms.
	queueSize = 8 << 20
	// budgetSize bounds what all queues of the process hold together, but for
	// the one piece that each may always hold.
	budgetSize = 256 << 20
	// overhead is what a queued piece takes besides its bytes.
	overhead = 160
	// batch is how many pieces one write may take.
	batch = 64
)

// A budget is memory shared by many queues.
type budget struct{ used atomic.Int64 }

// take takes n bytes if there is room for them.
func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= budgetSize {
		return true
	}
	b.used.Add(int64(-n))
	return false
}

func (b *budget) give(n int) { b.used.Add(int64(-n)) }

// A queued piece waits for its time to leave.
type queued struct {
	data     []byte
	end      bool    // the stream's end
	alone    bool    // not to be written together with others
	last     *active // the limit that ends the connection after it
	arrived  time.Time
	due      time.Time
	released bool      // let go early, because a toxic went away
	by       []*active // the toxics that made it wait
	charged  int       // taken from the budget
}

// A queue holds the pieces of one way of one connection until they are due, in
// order. One goroutine puts, another drains.
type queue struct {
	budget *budget
	wake   chan struct{} // tells the drainer to look again
	room   chan struct{} // tells the putter to look again
	dead   <-chan struct{}
	// limited ends the connection, because a limit was reached. The drainer
	// calls it and ends.
	limited func(*active)

	mu     sync.Mutex
	pieces []queued // from head on
	head   int
	bytes  int // queued, overhead included
	closed bool

	releases int // how often release was called
}

func newQueue(budget *budget, dead <-chan struct{}) *queue {
	return &queue{budget: budget, wake: make(chan struct{}, 1), room: make(chan struct{}, 1), dead: dead}
}

// put appends a piece, waiting while the queue holds limit bytes or the budget
// is used up, but never while it is empty. A piece whose time to leave was
// settled when there had been other than this many releases leaves at once:
// what should hold it up is gone. It returns false when the connection is dead
// or the queue was closed by its drainer.
func (q *queue) put(p queued, limit, releases int) bool {
	cost := len(p.data) + overhead
	for {
		q.mu.Lock()
		switch {
		case q.closed:
			q.mu.Unlock()
			return false
		case q.head == len(q.pieces): // empty
		case q.bytes+cost <= limit && q.budget.take(cost):
			p.charged = cost
		default:
			q.mu.Unlock()
			select {
			case <-q.room:
				continue
			case <-q.dead:
				return false
			}
		}
		if releases != q.releases {
			p.due, p.released = time.Time{}, true
		}
		if last := len(q.pieces) - 1; last >= q.head && p.due.Before(q.pieces[last].due) {
			p.due = q.pieces[last].due // nothing overtakes
		}
		first := q.head == len(q.pieces)
		q.pieces = append(q.pieces, p)
		q.bytes += cost
		q.mu.Unlock()
		if first {
			notify(q.wake)
		}
		return true
	}
}

// released is how often release was called.
func (q *queue) released() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.releases
}

// release lets everything queued leave at once.
func (q *queue) release() {
	q.mu.Lock()
	q.releases++
	for i := q.head; i < len(q.pieces); i++ {
		q.pieces[i].due, q.pieces[i].released = time.Time{}, true
	}
	q.mu.Unlock()
	notify(q.wake)
}

// close ends the queue: nothing is put any more. The drainer delivers what is
// queued and returns.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	notify(q.wake)
}

// next waits until the first pieces are due and takes them, batch at most. It
// returns nil when the queue is closed and empty, or the connection dead.
func (q *queue) next(into []queued) []queued {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		q.mu.Lock()
		now, wait := time.Now(), time.Duration(-1)
		for q.head < len(q.pieces) && len(into) < batch {
			p := &q.pieces[q.head]
			if wait = p.due.Sub(now); wait > 0 {
				break
			}
			into = append(into, *p)
			q.bytes -= len(p.data) + overhead
			q.budget.give(p.charged)
			*p = queued{}
			q.head++
		}
		closed := q.closed
		if q.head == len(q.pieces) {
			q.pieces, q.head = q.pieces[:0], 0
		} else if q.head >= 1024 {
			q.pieces, q.head = append(q.pieces[:0], q.pieces[q.head:]...), 0
		}
		empty := len(q.pieces) == 0
		q.mu.Unlock()

		if len(into) > 0 {
			notify(q.room)
			return into
		}
		if empty && closed {
			return nil
		}
		var due <-chan time.Time
		if !empty {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
		case <-q.wake:
		case <-q.dead:
			return nil
		}
	}
}

// A sink is where a stream goes: a *net.TCPConn.
type sink interface {
	io.Writer
	CloseWrite() error
}

// drain writes pieces to the connection as they fall due, until the queue is
// closed and empty, or the stream's end was passed on, or a write failed.
func (q *queue) drain(to sink) error {
	pieces := make([]queued, 0, batch)
	buffers := make([][]byte, 0, batch)
	defer q.discard()
	for {
		pieces = q.next(pieces[:0])
		if len(pieces) == 0 {
			return nil
		}
		buffers = buffers[:0]
		now := time.Now()
		for _, p := range pieces {
			p.count(now)
		}
		for _, p := range pieces {
			if len(p.data) > 0 {
				buffers = append(buffers, p.data)
			}
			last := p.last != nil && !p.last.isGone()
			if !p.end && !p.alone && !last {
				continue
			}
			if err := write(to, buffers); err != nil {
				return err
			}
			buffers = buffers[:0]
			switch {
			case last:
				q.limited(p.last)
				return nil
			case p.end:
				return to.CloseWrite()
			}
		}
		if err := write(to, buffers); err != nil {
			return err
		}
		clear(pieces)
		clear(buffers)
	}
}

// write writes the buffers at once.
func write(to sink, buffers [][]byte) error {
	if len(buffers) == 0 {
		return nil
	}
	out := net.Buffers(buffers)
	_, err := out.WriteTo(to)
	return err
}

// discard gives back what is left when the drainer ends.
func (q *queue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, p := range q.pieces[q.head:] {
		q.budget.give(p.charged)
	}
	q.pieces, q.head = nil, 0
	notify(q.room)
}

// notify wakes the other side of a channel of one, or leaves it awake.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
