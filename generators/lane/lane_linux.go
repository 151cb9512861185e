package lane

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
)

const (
	maxEvents = 256
	// nap bounds one sleep in the kernel, so that Stop is noticed in time.
	nap = 20 * time.Millisecond
	// burst is how many overdue arrivals go out before answers are looked at.
	burst = 16
	// usersEvery is how often the number of users follows the plan.
	usersEvery = 20 * time.Millisecond
)

// Loop returns a loop that plays c.
func Loop(c Config) generators.Loop {
	return func(r generators.LoopRun) error { return newLane(c, r).play() }
}

// A lane is one loop at work. Everything in it belongs to its thread.
type lane struct {
	Config
	run generators.LoopRun

	epoll  int
	events [maxEvents]unix.EpollEvent
	reader reader
	same   lastHeader

	outbox   outbox
	conns    []*conn // by slot
	freeSlot []int32
	idle     []*conn // kept alive with nothing to do, the most recently used last
	open     int
	flight   list // connections with an operation, by when it started
	waiting  []time.Duration
	head     int // of waiting
	address  int // of Addresses, whose turn it is
	source   int // of Sources
	op       generators.LoopOp

	closed      bool          // the closed model: an ended operation starts the next
	users       int           // how many there should be
	woke        time.Duration // from the last sleep in await
	flightN     int
	generations int32
	adjustAt    time.Duration

	idled  time.Duration // that the lane has lately waited for the target, while arrivals waited
	looked time.Duration // when it last began to

	clock time.Duration // when the clocks were last read together
	wall  int64         // the wall clock's nanoseconds at the run's origin, as of then
}

func newLane(c Config, r generators.LoopRun) *lane {
	return &lane{Config: c, run: r, closed: r.Arrivals == nil}
}

func (l *lane) play() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer prompt()()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	defer unix.Close(epoll)
	l.epoll = epoll
	l.reader.init(!l.closed)
	defer l.outbox.close()
	defer l.closeAll()
	if l.closed {
		l.playUsers()
	} else {
		l.playArrivals()
	}
	l.drain()
	return nil
}

func (l *lane) now() time.Duration { return time.Since(l.run.Origin) }

// playArrivals is the open model: arrivals go out when they fall due, whatever
// the target does.
func (l *lane) playArrivals() {
	behind := 0
	for due := range l.run.Arrivals {
		now := l.now()
		if now >= due {
			if behind++; behind%burst == 0 {
				l.reader.atOnce = true
				l.idled = 0 // by far not
				l.poll(now, 0)
				l.reader.atOnce = false
				now = l.now()
			}
		}
		for now < due {
			behind = 0
			if l.run.Stop.Load() {
				return
			}
			now = l.await(now, due)
		}
		if l.run.Stop.Load() {
			return
		}
		l.run.Stats.Lag(now - due)
		l.run.Stats.Offered.Add(1)
		if now-due > l.run.Patience {
			l.drop(due, now) // past its ceiling the lane falls no further behind than this
			continue
		}
		l.arrive(due, now)
	}
}

// await sleeps towards the time an arrival falls due, and returns the time.
//
// When arrivals are dense, waking for each of them and for each answer costs
// more than sending it. The lane then wakes once every Precision: arrivals go
// out late by less than that, which shows as their wait, and answers are left
// to lie until then, which shows nowhere, since the kernel stamped them.
func (l *lane) await(now, due time.Duration) time.Duration {
	if l.short() {
		l.pollShort(now, min(due-now, late))
		return l.now()
	}
	wake := max(due, l.woke+l.Precision)
	if wake-now > 2*l.Precision {
		l.poll(now, due-now)
		return l.now()
	}
	if l.flush() {
		if now = l.now(); now >= due {
			return now
		}
	}
	sleep(wake - now)
	l.woke = l.now()
	l.poll(l.woke, 0)
	return l.now()
}

// playUsers is the closed model: every user sends when its last answer came.
func (l *lane) playUsers() {
	for {
		now := l.now()
		if now >= l.run.End || l.run.Stop.Load() {
			l.users = 0
			return
		}
		if now >= l.adjustAt {
			l.adjustAt = now + usersEvery
			l.users = l.run.Users(now)
			for missing := l.users - l.playing(); missing > 0; missing-- {
				l.run.Stats.Offered.Add(1)
				l.arrive(now, now)
			}
		}
		l.poll(now, l.adjustAt-now)
	}
}

// drain awaits what is in flight and what is waiting, each within its bound.
func (l *lane) drain() {
	for l.flightN > 0 || l.head < len(l.waiting) {
		now := l.now()
		if l.run.Hurry.Load() {
			l.cancel(now)
			return
		}
		if l.run.Stop.Load() {
			l.abandon()
		}
		if l.short() {
			l.pollShort(now, late)
		} else {
			l.poll(now, nap)
		}
	}
}

// arrive gives an arrival to a connection, or puts it in the queue.
func (l *lane) arrive(due, now time.Duration) {
	if l.head == len(l.waiting) {
		if c := l.takeIdle(); c != nil {
			l.begin(c, due, now)
			return
		}
		if now-due < late+l.Precision && l.open < l.run.MaxSessions {
			l.dial(due, now)
			return
		}
	}
	l.waiting = append(l.waiting, due)
	l.run.Stats.Waiting.Add(1)
	if l.flightN == 0 && l.short() {
		l.relieve(now) // no answer will
	}
}

// An arrival that comes late, or behind others that wait, waits for an answer
// and goes out on its connection: the lane is behind, and connecting, which
// costs many times what a request does, would put it further behind. So would
// having many in flight at once, which the caches do not hold: with 500 a
// request costs half as much again as with 100, and a lane that a hiccup had
// put behind could never catch up. Only as far as it has nothing to do but to
// wait for the target do those that wait go out besides: a target that takes its
// time needs more in flight, and a lane that waits for it has the time.
const (
	late  = time.Millisecond      // from when on an arrival is so
	crowd = 128                   // in flight, above which none goes out for an answer
	spare = 50 * time.Microsecond // of waiting in vain, for each arrival that goes out for it
	most  = 8                     // arrivals that go out at once for it
	busy  = 10                    // one part in so many of waiting is no sign of a slow target
)

// short says that arrivals wait that a connection could be had for.
func (l *lane) short() bool {
	return l.head < len(l.waiting) && (len(l.idle) > 0 || l.open < l.run.MaxSessions)
}

// pollShort is poll for when that is so.
func (l *lane) pollShort(now, d time.Duration) {
	l.idled -= (now - l.looked) / busy
	l.looked = now
	waited := time.Duration(0)
	if l.poll(now, d) > 0 {
		waited = (l.clock - now) / 2 // a wait that answers end is half in vain
		now = l.now()
	} else {
		now = l.now()
		waited = now - l.looked
	}
	l.idled = min(max(l.idled+waited, 0), most*spare)
	for ; l.idled >= spare && l.short(); l.idled -= spare {
		l.relieve(now)
	}
}

// relieve sends the oldest of those that wait.
func (l *lane) relieve(now time.Duration) {
	due, _ := l.takeWaiting()
	l.run.Stats.Lag(now - due)
	if c := l.takeIdle(); c != nil {
		l.begin(c, due, now)
	} else {
		l.dial(due, now)
	}
}

// takeIdle takes the connection that was last in use; nil when all are.
func (l *lane) takeIdle() *conn {
	n := len(l.idle)
	if n == 0 {
		return nil
	}
	c := l.idle[n-1]
	l.idle = l.idle[:n-1]
	c.idling = false
	return c
}

// offer puts a user's next arrival in the queue.
func (l *lane) offer(due time.Duration) {
	l.run.Stats.Offered.Add(1)
	l.waiting = append(l.waiting, due)
	l.run.Stats.Waiting.Add(1)
}

// playing is how many users have an arrival under way.
func (l *lane) playing() int { return l.flightN + len(l.waiting) - l.head }

// takeWaiting returns the oldest arrival in the queue.
func (l *lane) takeWaiting() (due time.Duration, ok bool) {
	if l.head == len(l.waiting) {
		return 0, false
	}
	due = l.waiting[l.head]
	l.head++
	if l.head == len(l.waiting) {
		l.waiting, l.head = l.waiting[:0], 0
	} else if l.head > 4096 && l.head > len(l.waiting)/2 {
		l.waiting = l.waiting[:copy(l.waiting, l.waiting[l.head:])]
		l.head = 0
	}
	l.run.Stats.Waiting.Add(-1)
	return due, true
}

// poll sleeps until something happens on a connection, for d at the most, and
// deals with it; then with what ran out of time. It returns how much happened.
func (l *lane) poll(now, d time.Duration) (events int) {
	d = min(d, nap)
	if l.flight.first != nil {
		d = min(d, l.flight.first.started+l.Timeout-now)
	}
	if l.flush() {
		d -= l.now() - now
	}
	n := l.wait(max(d, 0))
	if n > 0 && l.reader.stamps && !l.reader.atOnce {
		l.lookAtClocks()
	}
	for i := range n {
		e := &l.events[i]
		if c := l.conns[e.Fd]; c != nil && c.generation == e.Pad {
			l.ready(c, e.Events)
		}
	}
	l.expire()
	return n
}

// wait is epoll_pwait2, whose timeout has nanoseconds. See shortSleep for when
// the runtime is told of it.
func (l *lane) wait(d time.Duration) int {
	var n uintptr
	var errno unix.Errno
	timeout := unix.NsecToTimespec(int64(d))
	args := [3]uintptr{uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), maxEvents}
	if d <= shortSleep {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, args[0], args[1], args[2], uintptr(unsafe.Pointer(&timeout)), 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, args[0], args[1], args[2], uintptr(unsafe.Pointer(&timeout)), 0, 0)
	}
	if errno != 0 {
		return 0 // EINTR: the caller looks at the clock and comes back
	}
	return int(n)
}

// expire ends what ran out of time: operations, and arrivals in the queue.
func (l *lane) expire() {
	if l.flight.first == nil && l.head == len(l.waiting) {
		return
	}
	now := l.now()
	for c := l.flight.first; c != nil && now >= c.started+l.Timeout; c = l.flight.first {
		l.fail(c, now, generators.Timeout, errTimeout(l.Timeout))
	}
	for l.head < len(l.waiting) && now-l.waiting[l.head] > l.run.Patience {
		behind := l.short()
		due, _ := l.takeWaiting()
		if behind && !l.closed {
			l.run.Stats.Lag(now - due)
		}
		l.drop(due, now)
	}
}

// drop gives up an arrival whose patience has run out.
func (l *lane) drop(due, now time.Duration) {
	l.op = generators.LoopOp{Due: due, Started: -1, Ended: now, Class: generators.Dropped}
	l.run.Record(&l.op)
}

// abandon gives up the arrivals in the queue; they count as canceled.
func (l *lane) abandon() {
	for due, ok := l.takeWaiting(); ok; due, ok = l.takeWaiting() {
		l.op = generators.LoopOp{Due: due, Started: -1, Ended: due, Class: generators.Canceled}
		l.run.Record(&l.op)
	}
}

// cancel cuts short what is in flight.
func (l *lane) cancel(now time.Duration) {
	l.flush()
	l.abandon()
	l.users = 0
	for l.flight.first != nil {
		l.fail(l.flight.first, now, generators.Canceled, nil)
	}
}

func (l *lane) closeAll() {
	for _, c := range l.conns {
		if c != nil {
			l.discard(c)
		}
	}
}
