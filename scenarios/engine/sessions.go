package engine

import (
	"context"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An arrivalQueue hands arrivals to sessions and keeps those that find none.
// A session is a goroutine of its own (see serve); they are opened on demand
// up to max. An arrival that waited longer than patience is dropped.
//
// Connecting costs many times what a request does. So an arrival that comes
// late waits for a session to come free: brunt is behind, and opening more
// would put it further behind. Once it is on time again, sessions are opened
// for those that wait still, a few at a time.
//
// The dispatcher calls offer; it never blocks.
type arrivalQueue struct {
	max      int
	patience time.Duration
	open     func(id int, first generators.Arrival) // starts a session with its first arrival
	drop     func(generators.Arrival, time.Time)    // called without the lock

	mu       sync.Mutex
	idle     []chan generators.Arrival // sessions with nothing to do, the most recently used last
	waiting  []generators.Arrival      // a ring: head is the oldest
	head     int
	sessions int
	closed   bool
}

const (
	late   = time.Millisecond // from when on an arrival is so
	relief = 8                // sessions opened after each while with nothing due
)

// offer takes an arrival that was due lag ago.
func (q *arrivalQueue) offer(a generators.Arrival, lag time.Duration) {
	q.mu.Lock()
	if n := len(q.idle); n > 0 {
		to := q.idle[n-1]
		q.idle = q.idle[:n-1]
		q.mu.Unlock()
		to <- a // has room for one, and only we send
		return
	}
	q.waiting = append(q.waiting, a)
	onTime := lag < late || q.sessions == 0
	q.mu.Unlock()
	if onTime {
		q.relieve(2)
	}
	q.expire(time.Now())
}

// relieve opens up to n sessions for those that wait, the oldest first.
func (q *arrivalQueue) relieve(n int) {
	for ; n > 0; n-- {
		q.mu.Lock()
		if !q.shortLocked() {
			q.mu.Unlock()
			return
		}
		first, id := q.take(), q.sessions
		q.sessions++
		q.mu.Unlock()
		q.open(id, first)
	}
}

// short says that arrivals wait that a session could be opened for.
func (q *arrivalQueue) short() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shortLocked()
}

func (q *arrivalQueue) shortLocked() bool { return q.head < len(q.waiting) && q.sessions < q.max }

// take takes the oldest arrival of those that wait.
func (q *arrivalQueue) take() generators.Arrival {
	a := q.waiting[q.head]
	q.head++
	q.compact()
	return a
}

// next is what a session calls when it has finished an arrival: the oldest
// one waiting, or false after parking the session's inbox among the idle.
func (q *arrivalQueue) next(inbox chan generators.Arrival) (generators.Arrival, bool) {
	q.expire(time.Now())
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head < len(q.waiting) {
		return q.take(), true
	}
	if q.closed {
		close(inbox)
		return generators.Arrival{}, false
	}
	q.idle = append(q.idle, inbox)
	return generators.Arrival{}, false
}

// expire drops the arrivals whose patience has run out by now.
func (q *arrivalQueue) expire(now time.Time) {
	for {
		q.mu.Lock()
		if q.head == len(q.waiting) || now.Sub(q.waiting[q.head].Due) <= q.patience {
			q.mu.Unlock()
			return
		}
		a := q.take()
		q.mu.Unlock()
		q.drop(a, now)
	}
}

// compact keeps the consumed front of the queue from growing.
func (q *arrivalQueue) compact() {
	if q.head == len(q.waiting) {
		q.waiting, q.head = q.waiting[:0], 0
	} else if q.head > 1024 && q.head > len(q.waiting)/2 {
		n := copy(q.waiting, q.waiting[q.head:])
		q.waiting, q.head = q.waiting[:n], 0
	}
}

// close tells idle sessions to end. Sessions at work end when nothing is
// waiting any more. With abandon, what is waiting is given back instead of
// being played.
func (q *arrivalQueue) close(abandon bool) (given []generators.Arrival) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if abandon {
		given = append(given, q.waiting[q.head:]...)
		q.waiting, q.head = nil, 0
	}
	if q.closed {
		return given
	}
	q.closed = true
	for _, inbox := range q.idle {
		close(inbox)
	}
	q.idle = nil
	return given
}

func (q *arrivalQueue) waitingNow() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) - q.head
}

// serve is one session's life in the open model: it plays the arrivals it is
// given until the queue closes.
func (l *load) serve(ctx context.Context, q *arrivalQueue, id int, first generators.Arrival) {
	s := clientSession{load: l, id: id}
	defer s.close()
	inbox := make(chan generators.Arrival, 1)
	for a, ok := first, true; ok; {
		s.play(ctx, a)
		if a, ok = q.next(inbox); !ok {
			a, ok = <-inbox
		}
	}
}
