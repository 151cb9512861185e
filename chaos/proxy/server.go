package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// acceptPause is how long accepting rests after it failed, for want of file
// descriptors for example.
const acceptPause = 20 * time.Millisecond

// A server is one proxy: it listens, passes connections on to its upstream and
// holds the toxics that act on them.
type server struct {
	name     string
	upstream string
	listener net.Listener
	budget   budget
	set      atomic.Pointer[toxicSet]

	mu     sync.Mutex // guards changes of set, and what follows
	links  map[*link]bool
	closed bool
	orphan bool // its brunt is gone: no toxic is set any more
}

func listen(name string, e middlebox.Endpoint) (*server, error) {
	listener, err := net.Listen("tcp", e.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for proxy %s: %w", name, err)
	}
	s := &server{name: name, upstream: e.Upstream, listener: listener, links: map[*link]bool{}}
	s.set.Store(&toxicSet{})
	return s, nil
}

func (s *server) toxics() toxicSet { return *s.set.Load() }

// serve accepts connections until the server is closed, and returns when the
// last of them has ended.
func (s *server) serve(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for id := uint64(0); ; {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			select {
			case <-time.After(acceptPause):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		l := newLink(id, s, conn.(*net.TCPConn))
		id++
		if !s.add(l) {
			reset(l.client)
			continue
		}
		wg.Go(func() {
			defer s.remove(l)
			l.run(ctx)
		})
	}
}

func (s *server) add(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.links[l] = true
	return true
}

func (s *server) remove(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// close ends the proxy: no connection is accepted any more, live ones are cut.
func (s *server) close() {
	s.drop(func(*active) bool { return true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.listener.Close() // it has nothing to lose
	for l := range s.links {
		l.cut()
	}
}

// inject sets toxics for an owner, all or none, in place of those it had. They
// go away by themselves after ttl, if that is above 0.
func (s *server) inject(owner string, toxics []Toxic, ttl time.Duration) error {
	fresh := make([]*active, len(toxics))
	for i, t := range toxics {
		a, err := newActive(t, owner)
		if err != nil {
			return fmt.Errorf("set toxic: %w", err)
		}
		a.expires = time.Now().Add(ttl)
		fresh[i] = a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orphan || s.closed {
		return middlebox.ErrOrphan
	}
	for _, a := range s.toxics() {
		if a.owner != owner && slices.ContainsFunc(fresh, func(f *active) bool { return f.name() == a.name() }) {
			return fmt.Errorf("%s is set: %w (%s)", a.name(), middlebox.ErrTaken, a.owner)
		}
	}
	var next toxicSet
	for _, a := range s.toxics() {
		if a.owner == owner {
			a.disarm()
			continue
		}
		next = append(next, a)
	}
	for _, f := range fresh {
		if ttl > 0 {
			f.timer = time.AfterFunc(ttl, func() { s.drop(func(a *active) bool { return a == f }) })
		}
		next = append(next, f)
	}
	slices.SortStableFunc(next, func(a, b *active) int { return cmp.Compare(a.rank(), b.rank()) })
	s.swap(next)
	return nil
}

// drop takes away the toxics that match and says how many there were.
func (s *server) drop(match func(*active) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next toxicSet
	dropped := 0
	for _, a := range s.toxics() {
		if !match(a) {
			next = append(next, a)
			continue
		}
		a.disarm()
		dropped++
	}
	if dropped > 0 {
		s.swap(next)
	}
	return dropped
}

// abandon drops every toxic for good: brunt is gone.
func (s *server) abandon() {
	s.mu.Lock()
	s.orphan = true
	s.mu.Unlock()
	s.drop(func(*active) bool { return true })
}

// swap makes next the toxics of the proxy and lets live connections know.
// s.mu is held.
func (s *server) swap(next toxicSet) {
	old := s.toxics()
	var removed []*active
	for _, a := range old {
		if !next.has(a) {
			removed = append(removed, a)
		}
	}
	s.set.Store(&next)
	for _, a := range removed {
		close(a.gone)
	}
	for l := range s.links {
		for _, a := range next {
			if a.Reconnect && !slices.Contains(old, a) && a.hits(l.id) {
				a.cut.Add(1)
				l.cut()
			}
		}
		l.changed(next, removed)
	}
}

// state is what the control socket tells of the proxy.
func (s *server) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{Name: s.name, Listen: s.listener.Addr().String(), Upstream: s.upstream, Connections: len(s.links), Orphan: s.orphan}
	for _, a := range s.toxics() {
		state.Toxics = append(state.Toxics, ActiveToxic{
			Toxic: a.Toxic, Name: a.name(), Owner: a.owner, ExpiresIn: time.Until(a.expires), Counters: a.counters(),
		})
	}
	return state
}
