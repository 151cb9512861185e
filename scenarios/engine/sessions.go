package engine

import (
	"context"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An arrivalQueue hands arrivals to sessions and keeps those that find none.
// Sessions (see server) are opened on demand up to max. An arrival that waited longer than patience is dropped.
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
	behind   func(time.Duration)                    // how long one waited that a session could have been opened for

	mu       sync.Mutex
	idle     []*server            // with nothing to do, the most recently used last
	waiting  []generators.Arrival // a ring: head is the oldest
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
		to.hand(a)
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

// takeLate takes the oldest, which had to wait until now.
func (q *arrivalQueue) takeLate(now time.Time) generators.Arrival {
	behind := q.shortLocked()
	a := q.take()
	if behind {
		q.behind(now.Sub(a.Due))
	}
	return a
}

// next is what a session calls when it has finished an arrival: the oldest
// one waiting, or false after the session was put among the idle or, once the
// queue has closed, was told to end.
func (q *arrivalQueue) next(s *server) (generators.Arrival, bool) {
	now := time.Now()
	q.expire(now)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head < len(q.waiting) {
		return q.takeLate(now), true
	}
	if q.closed {
		s.end()
		return generators.Arrival{}, false
	}
	q.idle = append(q.idle, s)
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
		a := q.takeLate(now)
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
	for _, s := range q.idle {
		s.end()
	}
	q.idle = nil
	return given
}

func (q *arrivalQueue) waitingNow() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) - q.head
}

// A server is a session in the open model: it plays the arrivals it is given
// until the queue closes. It has a goroutine until its session has paused for
// the first time; after that only while it is at work.
type server struct {
	clientSession
	ctx   context.Context
	queue *arrivalQueue
	inbox chan generators.Arrival // nil when there is no goroutine that waits
	wake  func()                  // goOn
}

// newServer starts a session with its first arrival. It counts among the load's
// sessions until it ends.
func newServer(ctx context.Context, l *load, q *arrivalQueue, id int, first generators.Arrival) {
	s := &server{clientSession: clientSession{load: l, id: id}, ctx: ctx, queue: q, inbox: make(chan generators.Arrival, 1)}
	s.wake = s.goOn
	l.sessions.Add(1)
	go s.play(first)
}

// hand gives an idle session an arrival. It does not block.
func (s *server) hand(a generators.Arrival) {
	if s.inbox == nil {
		go s.play(a)
		return
	}
	s.inbox <- a // has room for one, and an idle session gets one
}

// end ends an idle session. It does not block.
func (s *server) end() {
	if s.inbox == nil {
		go s.ended()
		return
	}
	close(s.inbox)
}

func (s *server) ended() {
	s.close()
	s.load.sessions.Done()
}

func (s *server) goOn() { s.proceed(s.resume(s.ctx)) }

func (s *server) play(a generators.Arrival) { s.proceed(s.start(s.ctx, a)) }

// proceed plays one arrival after the other, after the one that more is to come
// of, until the session ends, pauses, or is idle and has paused before.
func (s *server) proceed(more bool) {
	for !more {
		inbox := s.inbox // before others may have the session
		a, ok := s.queue.next(s)
		if !ok {
			if inbox == nil {
				return
			}
			if a, ok = <-inbox; !ok {
				s.ended()
				return
			}
		}
		more = s.start(s.ctx, a)
	}
	s.inbox = nil
	s.pausing.Pause(s.wake) // and is another goroutine's from here on
}
