package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// dialBound is how long the upstream may take to accept.
const dialBound = 10 * time.Second

// aliveBound is how long to listen for signs of death.
const aliveBound = 5 * time.Millisecond

// longAgo is a deadline that has passed: it ends a blocked read at once.
var longAgo = time.Unix(1, 0)

// A link is one connection through a proxy: the client's, the upstream's, and
// a stream each way. It ends when both streams have, or when it is cut.
type link struct {
	id    uint64 // counts connections, for the seed
	proxy *server

	client *net.TCPConn
	dead   chan struct{} // closed when the link is cut

	mu       sync.Mutex
	upstream *net.TCPConn // nil until it is dialled
	isCut    bool
	streams  []*stream
}

// run dials the upstream and passes traffic until the link ends. The goroutine
// that runs it owns the connections.
func (l *link) run(ctx context.Context) {
	defer l.client.Close()
	if a := l.proxy.toxics().cutter(l.id); a != nil {
		a.cut.Add(1)
		l.cut()
		return
	}
	dialer := net.Dialer{Timeout: dialBound}
	dialing, stop := l.untilDead(ctx)
	conn, err := dialer.DialContext(dialing, "tcp", l.proxy.upstream)
	stop()
	if err != nil {
		l.cut() // what a client sees of an upstream that refuses
		return
	}
	up := conn.(*net.TCPConn)
	defer up.Close()

	to, from := newStream(l, upstream, l.client, up), newStream(l, downstream, up, l.client)
	l.mu.Lock()
	l.upstream, l.streams = up, []*stream{to, from}
	cut := l.isCut
	l.mu.Unlock()
	if cut {
		reset(up)
		return
	}
	var wg sync.WaitGroup
	var sent error
	wg.Go(func() { sent = to.run() })
	received := from.run()
	wg.Wait()
	if sent != nil || received != nil {
		l.cut() // the one that is left must not take it for an orderly end
	}
}

// untilDead is a context that ends with ctx or with the link.
func (l *link) untilDead(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-l.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(); <-done }
}

// cut resets both connections. Any goroutine may call it, any number of times.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		return
	}
	l.isCut = true
	close(l.dead)
	reset(l.client)
	if l.upstream != nil {
		reset(l.upstream)
	}
}

// changed tells the streams that other toxics are set; removed, that some are
// gone, so that nothing waits for them any more.
func (l *link) changed(removed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.streams {
		s.changed(removed)
	}
}

// reset closes a connection with a TCP reset. Closing what is closed already
// does nothing.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// A stream is one way of a link.
type stream struct {
	link *link
	way  Way
	from *net.TCPConn
	to   *net.TCPConn
	rngs map[*active]*rand.Rand // used by the reading goroutine only

	queue  atomic.Pointer[queue] // while toxics act on the stream
	failed atomic.Bool           // the queue's drainer could not write
}

func newStream(l *link, way Way, from, to *net.TCPConn) *stream {
	return &stream{link: l, way: way, from: from, to: to, rngs: map[*active]*rand.Rand{}}
}

// errDst marks an error in writing, as against one in reading.
var errDst = errors.New("write")

// run passes the stream until it ends. It alternates between the kernel's own
// copying, while nothing acts on it, and the queue, while something does. It
// returns an error when the stream did not end in order.
func (s *stream) run() error {
	for {
		// In this order: a change after the load ends the next read at once.
		_ = s.from.SetReadDeadline(time.Time{})
		toxics := s.toxics()
		var err error
		if len(toxics) == 0 {
			err = s.pass()
		} else {
			err = s.shape()
		}
		switch {
		case err == nil:
			return nil // the end of the stream was passed on
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, errDst):
			// Who we write to is gone. What it sent before it went is still
			// to be passed on the other way.
			return err
		default:
			s.link.cut()
			return err
		}
	}
}

func (s *stream) toxics() []*active { return s.link.proxy.toxics().on(s.way, s.link.id) }

// pass copies until the end, which it passes on (nil), until the toxics change
// (os.ErrDeadlineExceeded), or until an error.
func (s *stream) pass() error {
	_, err := s.to.ReadFrom(s.from)
	if err == nil {
		return s.end()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	// The copy does not say which side failed. One more read does: only one
	// that is alive makes it wait, or gives it something.
	_ = s.from.SetReadDeadline(time.Now().Add(aliveBound))
	if _, look := s.from.Read(make([]byte, 1)); errors.Is(look, os.ErrDeadlineExceeded) || look == nil {
		return fmt.Errorf("%w: %w", errDst, err)
	}
	return err
}

// end passes on the end of the stream.
func (s *stream) end() error {
	if err := s.to.CloseWrite(); err != nil {
		return fmt.Errorf("%w: %w", errDst, err)
	}
	return nil
}

// changed ends the present read, so that the stream sees the new toxics.
func (s *stream) changed(removed bool) {
	_ = s.from.SetReadDeadline(longAgo)
	if q := s.queue.Load(); q != nil && removed {
		q.release()
	}
}

// shape passes pieces through a queue in which they wait as long as the toxics
// say. It returns nil after the end was passed on, os.ErrDeadlineExceeded when
// no toxic acts any more and the queue is empty, and otherwise an error.
func (s *stream) shape() error {
	q := newQueue(&s.link.proxy.budget, s.link.dead)
	s.queue.Store(q)
	drained := make(chan error, 1)
	go func() {
		err := q.drain(s.to)
		if err != nil {
			s.failed.Store(true)
			_ = s.from.SetReadDeadline(longAgo)
		}
		drained <- err
	}()
	err := s.feed(q)
	q.close()
	failed := <-drained
	s.queue.Store(nil)
	if failed != nil {
		return fmt.Errorf("%w: %w", errDst, failed)
	}
	return err
}

// feed reads pieces into the queue.
func (s *stream) feed(q *queue) error {
	buffer := make([]byte, readSize)
	for {
		// In this order: a release after the count lets go what these toxics
		// would hold, and a change after the load ends the read at once.
		_ = s.from.SetReadDeadline(time.Time{})
		releases := q.released()
		toxics := s.toxics()
		if len(toxics) == 0 || s.failed.Load() {
			return os.ErrDeadlineExceeded
		}
		most, limit := s.limits(toxics)
		n, err := s.from.Read(buffer[:most])
		now := time.Now()
		if n > 0 {
			data := append(make([]byte, 0, n), buffer[:n]...)
			if !s.put(q, data, now, toxics, limit, releases) {
				return os.ErrDeadlineExceeded
			}
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, io.EOF):
			s.put(q, nil, now, toxics, limit, releases)
			return nil
		default:
			return err
		}
	}
}

// put queues a piece, or the end, with the time at which it may leave.
func (s *stream) put(q *queue, data []byte, now time.Time, toxics []*active, limit, releases int) bool {
	due := now
	for _, a := range toxics {
		due = a.shape.leave(piece{size: len(data), end: data == nil}, due, s.rng(a))
	}
	if due.Equal(never) {
		for _, a := range toxics {
			if a.Type == blackholeType {
				a.held.Add(int64(len(data)))
			}
		}
	}
	return q.put(queued{data: data, arrived: now, due: due, by: toxics}, limit, releases)
}

// rng is this stream's own, for one toxic: the same seed and connection number
// give the same numbers.
func (s *stream) rng(a *active) *rand.Rand {
	rng, ok := s.rngs[a]
	if !ok {
		clear(s.rngs) // of toxics long gone; those still set start anew
		way := uint64(len(s.way))
		rng = rand.New(rand.NewPCG(a.Seed^way<<32, s.link.id))
		s.rngs[a] = rng
	}
	return rng
}

// limits says how many bytes make a piece at most, and how many may be queued.
// Behind a narrow link a sender must feel the pressure soon; in a long one
// there must be room for what is on its way.
func (s *stream) limits(toxics []*active) (most, limit int) {
	most, limit = readSize, queueSize
	var onItsWay time.Duration
	for _, a := range toxics {
		onItsWay += a.Delay + a.Jitter
	}
	for _, a := range toxics {
		if a.Rate > 0 {
			most = min(most, portion(a.Rate))
			seconds := (onItsWay + 100*time.Millisecond).Seconds()
			limit = min(limit, readSize+int(min(float64(a.Rate)*seconds, queueSize)))
		}
	}
	return most, limit
}
