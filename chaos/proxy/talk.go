package proxy

import (
	"os"
	"slices"
	"sync"
)

// How a link is read along.
type talkMode int

const (
	talkOff     talkMode = iota // nobody reads; the upstream stream looks for a place to begin, if toxics care
	talkJoining                 // it found one, and waits for the downstream stream to come along
	talkOn                      // both streams read HTTP/1
	talkTaken                   // the upstream stream speaks for both sides
	talkNever                   // what is spoken cannot be read, or is no HTTP any more
)

// A talk is what the two streams of a link agree on about what is spoken:
// whether they read along, and which requests have not been answered yet. The
// upstream stream reads requests, the downstream stream responses. They begin
// together, where a request starts, and end together, where nothing is
// outstanding; in between each passes on what it reads as soon as it can.
type talk struct {
	// out is held while bytes that this proxy made up, or that are read along,
	// leave for the client. It is taken before mu.
	out sync.Mutex

	mu      sync.Mutex
	mode    talkMode
	wanted  talkMode      // of joining: what follows
	joined  chan struct{} // closed when joining is over, either way
	pending []*exchange   // requests that were passed on, or answered here, in order
	ended   bool          // the downstream stream has ended
	yielded chan struct{} // of taken: closed when the upstream stream has spoken for both
}

// An exchange is a request and its response.
type exchange struct {
	method  string
	answer  change        // of the response
	reply   []byte        // the response, where the proxy gives it
	settled chan struct{} // closed when the response has begun, and it is known what follows
}

// wants says whether a stream should read along rather than pass.
func (t *talk) wants(s *stream) bool {
	t.mu.Lock()
	mode, ended := t.mode, t.ended
	t.mu.Unlock()
	switch mode {
	case talkNever:
		return false
	case talkOff:
		if s.way == downstream || ended {
			return false
		}
		set := s.link.proxy.toxics()
		return set.readsHTTP() || !s.begun && set.forger(s.link.id) != nil
	}
	return true
}

// join makes both streams read along, as mode says. The upstream stream calls
// it; it returns false when the downstream stream will not come.
func (t *talk) join(s *stream, mode talkMode) bool {
	t.mu.Lock()
	if t.ended {
		t.mode = talkNever
		t.mu.Unlock()
		return false
	}
	joined := make(chan struct{})
	t.mode, t.wanted, t.joined = talkJoining, mode, joined
	if mode == talkTaken {
		t.yielded = make(chan struct{})
	}
	t.mu.Unlock()
	_ = s.peer.from.SetReadDeadline(longAgo)
	select {
	case <-joined:
	case <-s.link.dead:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mode == talkJoining { // it is not to come any more
		t.mode = talkNever
		close(joined)
	}
	return t.mode == mode
}

// come is the downstream stream's part of join. It says what follows.
func (t *talk) come() talkMode {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mode == talkJoining {
		t.mode = t.wanted
		close(t.joined)
	}
	return t.mode
}

// yield says that the upstream stream has spoken for both.
func (t *talk) yield() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.yielded)
}

// left says that a stream has ended.
func (t *talk) left(s *stream) {
	if s.way == upstream {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.mode == talkJoining {
		t.mode = talkNever
		close(t.joined)
	}
	t.settleAll()
}

func (t *talk) is(mode talkMode) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mode == mode
}

// push adds an exchange; its reply, if it has one, is given in its turn. It
// returns false when nobody reads along any more.
func (t *talk) push(s *stream, x *exchange) (bool, error) {
	t.out.Lock()
	defer t.out.Unlock()
	t.mu.Lock()
	on := t.mode == talkOn
	first := on && len(t.pending) == 0
	if on && (x.reply == nil || !first) {
		t.pending = append(t.pending, x)
	}
	t.mu.Unlock()
	if first && x.reply != nil {
		return on, s.peer.send(x.reply)
	}
	return on, nil
}

// first is the exchange whose response comes next, or nil.
func (t *talk) first() *exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) == 0 {
		return nil
	}
	return t.pending[0]
}

// pop takes away the exchange whose response is over, and gives the replies
// that waited for it.
func (t *talk) pop(s *stream) error {
	t.out.Lock()
	defer t.out.Unlock()
	for popped := false; ; popped = true {
		t.mu.Lock()
		if !popped && len(t.pending) > 0 {
			t.pending[0].settle()
			t.pending = slices.Delete(t.pending, 0, 1)
		}
		if len(t.pending) == 0 {
			t.mu.Unlock()
			// The upstream stream may have waited for this to leave off.
			if !s.link.proxy.toxics().readsHTTP() {
				_ = s.peer.from.SetReadDeadline(longAgo)
			}
			return nil
		}
		x := t.pending[0]
		if x.reply != nil {
			t.pending = slices.Delete(t.pending, 0, 1)
		}
		t.mu.Unlock()
		if x.reply == nil {
			return nil
		}
		if err := s.send(x.reply); err != nil {
			return err
		}
	}
}

// leave ends reading along, where nobody cares any more and nothing is
// outstanding. The upstream stream asks between two requests.
func (t *talk) leave(s *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.mode != talkOn:
		return true
	case len(t.pending) > 0 || s.link.proxy.toxics().readsHTTP():
		return false
	}
	t.mode = talkOff
	_ = s.peer.from.SetReadDeadline(longAgo)
	return true
}

// released says whether the downstream stream need not read along any more.
func (t *talk) released() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mode != talkOn && len(t.pending) == 0
}

// giveUp makes everything from here on pass unread. What the downstream stream
// still expects, it goes on reading, unless it is the one that gave up.
func (t *talk) giveUp(s *stream) error {
	t.out.Lock()
	defer t.out.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mode = talkNever
	if s.way == downstream {
		t.settleAll()
	}
	_ = s.peer.from.SetReadDeadline(longAgo)
	return os.ErrDeadlineExceeded
}

// settleAll forgets what is outstanding. t.mu is held.
func (t *talk) settleAll() {
	for _, x := range t.pending {
		x.settle()
	}
	t.pending = nil
}

// settle says that it is known what follows the response. t.mu is held.
func (x *exchange) settle() {
	if x.settled != nil {
		close(x.settled)
		x.settled = nil
	}
}
