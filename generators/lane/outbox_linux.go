package lane

import (
	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators/uring"
)

// worth is from how many requests on a ring is. One that goes out alone is
// sent sooner, and as cheaply, by a call of its own.
const worth = 4

// An outbox holds the connections whose requests are to go out together, since
// going into the kernel and back for each costs a tenth of all that a request
// does. They go out with the next flush, which comes before the lane sleeps or
// looks for answers. A request counts as started when it is posted: the last of
// a full outbox is some 60 µs late, which its service time has in it.
type outbox struct {
	posted  []*conn
	ring    *uring.Ring
	ringErr error // why there is no ring
}

// post has the request of c go out with the next flush.
func (l *lane) post(c *conn) {
	l.outbox.posted = append(l.outbox.posted, c)
	if len(l.outbox.posted) >= burst {
		l.flush()
	}
}

// flush sends what was posted, and says whether anything was. What becomes of a
// send may post more: that goes out too.
func (l *lane) flush() (any bool) {
	o := &l.outbox
	for len(o.posted) > 0 {
		any = true
		var sending [burst]*conn
		n := copy(sending[:], o.posted)
		o.posted = o.posted[:copy(o.posted, o.posted[n:])]
		l.sendAll(sending[:n])
	}
	return any
}

func (l *lane) sendAll(conns []*conn) {
	o := &l.outbox
	if len(conns) < worth || !o.hasRing() {
		for _, c := range conns {
			if c.unsent() {
				l.send(c)
			}
		}
		return
	}
	var sent [burst]*conn
	n := 0
	for _, c := range conns {
		if c.unsent() {
			o.ring.Put(n, c.fd, l.Request)
			sent[n] = c
			n++
		}
	}
	var results [burst]int32
	if err := o.ring.Send(results[:n]); err != nil {
		o.close()
		o.ringErr = err
	}
	for i, c := range sent[:n] {
		switch took := results[i]; {
		case took == uring.Undone:
			l.send(c)
		case took < 0:
			l.took(c, 0, unix.Errno(-took))
		default:
			l.took(c, int(took), 0)
		}
	}
}

// unsent says that c still carries the operation that it was posted with: its
// end may have come first, or its time have run out.
func (c *conn) unsent() bool { return c.busy && c.sent == 0 }

// hasRing makes the ring when it is first of use, so that a load that never
// sends many at once does not ask the kernel for one.
func (o *outbox) hasRing() bool {
	if o.ring == nil && o.ringErr == nil {
		o.ring, o.ringErr = uring.New(burst)
	}
	return o.ring != nil
}

func (o *outbox) close() {
	if o.ring != nil {
		_ = o.ring.Close() // the kernel undoes all of it with the descriptor
		o.ring = nil
	}
}
