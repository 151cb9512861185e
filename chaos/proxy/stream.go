package proxy

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// A stream is one way of a link.
type stream struct {
	link   *link
	peer   *stream // the other way
	way    Way
	from   *net.TCPConn
	to     *net.TCPConn
	marks  map[*active]*memory // used by who puts, one at a time
	source source              // what was read ahead, for those who must look before they pass
	begun  bool                // something was read
	closed bool                // its end was passed on before it came

	queue   atomic.Pointer[queue] // while toxics act on the stream, and until it is empty
	drained chan error            // the end of the queue's drainer
	failed  atomic.Bool           // the queue's drainer could not write
	along   atomic.Bool           // it reads along
}

func newStream(l *link, way Way, from, to *net.TCPConn) *stream {
	return &stream{link: l, way: way, from: from, to: to, marks: map[*active]*memory{}, source: source{conn: from, dead: l.dead}}
}

var (
	// errDst marks an error in writing, as against one in reading.
	errDst = errors.New("write")
	// errDead says that the link was stopped.
	errDead = errors.New("the connection was ended on purpose")
)

// run passes the stream until it ends. It alternates between the kernel's own
// copying, while nothing acts on it, the queue, while something does, and
// reading along, while toxics care what is spoken. It returns an error when
// the stream did not end in order.
func (s *stream) run() (err error) {
	defer func() {
		s.link.talk.left(s)
		s.source.free()
	}()
	for {
		// In this order: a change after the load ends the next read at once.
		_ = s.from.SetReadDeadline(time.Time{})
		switch {
		case s.link.isDead():
			_ = s.settle()
			return errDead
		case s.failed.Load():
			return s.settle()
		case s.link.talk.wants(s):
			s.along.Store(true)
			err = s.converse()
			s.along.Store(false)
		case len(s.toxics()) > 0:
			err = s.shape()
		default:
			err = s.pass()
		}
		switch {
		case err == nil:
			return nil // the end of the stream was passed on
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, errDst):
			// Who we write to is gone. What it sent before it went is still
			// to be passed on the other way.
			return errors.Join(err, s.settle())
		default:
			// What was read before is still delivered.
			_ = s.settle()
			if !s.link.isDead() {
				s.link.cut()
			}
			return err
		}
	}
}

func (s *stream) toxics() []*active { return s.link.proxy.toxics().on(s.way, s.link.id) }

// pass copies until the end, which it passes on (nil), until the toxics change
// (os.ErrDeadlineExceeded), or until an error.
func (s *stream) pass() error {
	if err := s.settle(); err != nil {
		return err
	}
	if ahead := s.source.bytes(); len(ahead) > 0 {
		if _, err := s.to.Write(ahead); err != nil {
			return fmt.Errorf("%w: %w", errDst, err)
		}
	}
	s.source.free()
	n, err := s.to.ReadFrom(s.from)
	s.begun = s.begun || n > 0
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

// open returns the stream's queue, in which pieces wait as long as the toxics
// say; a goroutine drains it until settle.
func (s *stream) open() *queue {
	if q := s.queue.Load(); q != nil {
		return q
	}
	q := newQueue(&s.link.proxy.budget, s.link.dead)
	q.limited = s.limited
	s.drained = make(chan error, 1)
	s.queue.Store(q)
	go func() {
		err := q.drain(s.to)
		if err != nil {
			s.failed.Store(true)
			_ = s.from.SetReadDeadline(longAgo)
		}
		s.drained <- err
	}()
	return q
}

// settle waits until the queue, if there is one, has been written, and closes
// it.
func (s *stream) settle() error {
	q := s.queue.Load()
	if q == nil {
		return nil
	}
	q.close()
	err := <-s.drained
	s.queue.Store(nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errDst, err)
	}
	return nil
}

// limited ends the link, because a limit was reached.
func (s *stream) limited(a *active) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.link.stopped {
		a.cut.Add(1)
		s.link.shutLocked()
	}
}

// shape passes pieces through the queue. It returns nil after the end was
// passed on, os.ErrDeadlineExceeded when it should be looked at anew what acts
// on the stream, and otherwise an error.
func (s *stream) shape() error {
	err := s.feed(s.open())
	if err == nil {
		return s.settle()
	}
	return err
}

// feed reads pieces into the queue.
func (s *stream) feed(q *queue) error {
	if ahead := s.source.bytes(); len(ahead) > 0 {
		if err := s.send(ahead); err != nil {
			return err
		}
	}
	s.source.free()
	buffer := make([]byte, readSize)
	for {
		// In this order: a release after the count lets go what these toxics
		// would hold, and a change after the load ends the read at once.
		_ = s.from.SetReadDeadline(time.Time{})
		releases := q.released()
		toxics := s.toxics()
		if len(toxics) == 0 || s.failed.Load() || s.link.isDead() || s.link.talk.wants(s) {
			return os.ErrDeadlineExceeded
		}
		most, limit := s.limits(toxics)
		n, err := s.from.Read(buffer[:most])
		now := time.Now()
		if n > 0 {
			s.begun = true
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

// send lets bytes leave the way that the toxics of the moment say, and returns
// when they are written or queued. Callers on one stream take turns.
func (s *stream) send(data []byte) error {
	for len(data) > 0 {
		q := s.queue.Load()
		if q == nil && len(s.toxics()) > 0 {
			q = s.open()
		}
		releases := 0
		if q != nil {
			releases = q.released()
		}
		toxics := s.toxics()
		if len(toxics) == 0 {
			if err := s.settle(); err != nil {
				return err
			}
			if _, err := s.to.Write(data); err != nil {
				return fmt.Errorf("%w: %w", errDst, err)
			}
			return nil
		}
		if q == nil {
			continue // they were set just now
		}
		most, limit := s.limits(toxics)
		n := min(most, len(data))
		if !s.put(q, slices.Clone(data[:n]), time.Now(), toxics, limit, releases) {
			if s.link.isDead() {
				return errDead
			}
			return s.settle() // it failed, and says how
		}
		data = data[n:]
	}
	return nil
}

// sendEnd passes on the end of the stream behind what was sent before.
func (s *stream) sendEnd() error {
	q := s.queue.Load()
	if q == nil && len(s.toxics()) > 0 {
		q = s.open()
	}
	if q == nil {
		return s.end()
	}
	releases := q.released()
	toxics := s.toxics()
	_, limit := s.limits(toxics)
	s.put(q, nil, time.Now(), toxics, limit, releases)
	return s.settle()
}

// put queues a piece, or the end, with the time at which it may leave.
func (s *stream) put(q *queue, data []byte, now time.Time, toxics []*active, limited, releases int) bool {
	due := now
	p := queued{data: data, end: data == nil, arrived: now, by: toxics}
	for _, a := range toxics {
		m := s.memory(a, toxics)
		due = a.shape.leave(piece{size: len(data), end: p.end}, due, m)
		switch shape := a.shape.(type) {
		case *slicer:
			p.alone = true
		case limit:
			if last, tooMuch := shape.reached(m); last && !p.end {
				p.last = a
				if tooMuch {
					p.data = nil
				}
			}
		}
	}
	if due.Equal(never) {
		for _, a := range toxics {
			if a.Type == blackholeType || a.Type == timeoutType {
				a.held.Add(int64(len(data)))
			}
		}
	}
	p.due = due
	return q.put(p, limited, releases)
}

// memory is what a toxic knows of this stream. Its random numbers are this
// stream's own: the same seed and connection number give the same ones.
func (s *stream) memory(a *active, toxics []*active) *memory {
	m, ok := s.marks[a]
	if !ok {
		for old := range s.marks {
			if !slices.Contains(toxics, old) {
				delete(s.marks, old)
			}
		}
		way := uint64(len(s.way))
		m = &memory{rng: rand.New(rand.NewPCG(a.Seed^way<<32, s.link.id))}
		s.marks[a] = m
	}
	return m
}

// limits says how many bytes make a piece at most, and how many may be queued.
// Behind a narrow link a sender must feel the pressure soon; in a long one
// there must be room for what is on its way.
func (s *stream) limits(toxics []*active) (most, limit int) {
	most, limit = readSize, queueSize
	var onItsWay time.Duration
	for _, a := range toxics {
		onItsWay += a.Delay + a.Jitter
		if p, ok := a.shape.(portioner); ok {
			most = min(most, p.most(s.memory(a, toxics)))
		}
	}
	for _, a := range toxics {
		if a.Rate > 0 {
			seconds := (onItsWay + 100*time.Millisecond).Seconds()
			limit = min(limit, readSize+int(min(float64(a.Rate)*seconds, queueSize)))
		}
	}
	return most, limit
}
