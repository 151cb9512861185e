package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

const (
	// upstreamBound is how long the upstream may take to answer; resolv.conf's
	// own default is as long.
	upstreamBound = 5 * time.Second
	// idleBound is how long a TCP connection may rest between queries.
	idleBound = 30 * time.Second
	// mostQueries is how many queries a resolver works on at once, delayed
	// ones included. What comes above it is lost, as it would be in a full
	// socket buffer.
	mostQueries = 4096
	// mostConns is how many TCP connections it keeps at once.
	mostConns = 256
	// failurePause is how long reading rests after it failed.
	failurePause = 20 * time.Millisecond
	// listenTries is how often a port that is free for UDP may turn out to be
	// taken for TCP when any port will do.
	listenTries = 16
)

// A server is one resolver: it listens on UDP and TCP, forwards to its
// upstream, and holds the rules that say what to lie about.
type server struct {
	name     string
	upstream string
	udp      *net.UDPConn
	tcp      net.Listener
	room     chan struct{} // a token for each query at work
	set      atomic.Pointer[[]*active]

	forwarded atomic.Int64
	lost      atomic.Int64 // for want of room

	mu     sync.Mutex // guards changes of set, and what follows
	conns  map[net.Conn]bool
	closed bool
	orphan bool // its brunt is gone: no rule is set any more
}

func listen(ctx context.Context, name string, e middlebox.Endpoint) (*server, error) {
	address, err := netip.ParseAddrPort(e.Listen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("listen for resolver %s: %q is no IP address and port", name, e.Listen)
	case address.Addr().IsUnspecified():
		// An answer could leave from another address than it was asked on.
		return nil, fmt.Errorf("listen for resolver %s: give one address to listen on, not %s", name, address.Addr())
	}
	s := &server{name: name, upstream: e.Upstream, room: make(chan struct{}, mostQueries), conns: map[net.Conn]bool{}}
	s.set.Store(&[]*active{})
	for try := 1; ; try++ {
		err := s.bind(ctx, address)
		switch {
		case err == nil && s.udp.LocalAddr().String() == e.Upstream:
			s.close()
			return nil, fmt.Errorf("listen for resolver %s: it would forward to itself", name)
		case err == nil:
			return s, nil
		case address.Port() != 0 || try == listenTries || !errors.Is(err, syscall.EADDRINUSE):
			return nil, fmt.Errorf("listen for resolver %s: %w", name, err)
		}
	}
}

// bind takes the same port for UDP and TCP.
func (s *server) bind(ctx context.Context, address netip.AddrPort) error {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
	if err != nil {
		return err
	}
	tcp, err := new(net.ListenConfig).Listen(ctx, "tcp", udp.LocalAddr().String())
	if err != nil {
		return errors.Join(err, udp.Close())
	}
	s.udp, s.tcp = udp, tcp
	return nil
}

func (s *server) rules() []*active { return *s.set.Load() }

// serve answers until the server is closed, and returns when the last query
// has been dealt with. ctx ends those that wait.
func (s *server) serve(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.serveTCP(ctx) })
	s.serveUDP(ctx, &wg)
}

// rest waits a little after a failure; false when ctx ended.
func rest(ctx context.Context) bool {
	select {
	case <-time.After(failurePause):
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *server) serveUDP(ctx context.Context, wg *sync.WaitGroup) {
	buffer := make([]byte, maxMessage)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buffer)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !rest(ctx) {
				return
			}
			continue
		}
		if !s.enter() {
			continue
		}
		message := slices.Clone(buffer[:n])
		wg.Go(func() {
			defer s.leave()
			if answer := s.answer(ctx, "udp", message); answer != nil {
				_, _ = s.udp.WriteToUDPAddrPort(answer, from) // lost, like any datagram
			}
		})
	}
}

// enter takes a place for a query, if there is one.
func (s *server) enter() bool {
	select {
	case s.room <- struct{}{}:
		return true
	default:
		s.lost.Add(1)
		return false
	}
}

func (s *server) leave() { <-s.room }

func (s *server) serveTCP(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := s.tcp.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !rest(ctx) {
				return
			}
			continue
		}
		if !s.add(conn) {
			_ = conn.Close()
			continue
		}
		wg.Go(func() {
			defer s.remove(conn)
			s.converse(ctx, conn)
		})
	}
}

// converse answers the queries of one connection, each as soon as it can be
// (RFC 7766 allows any order), until its other end closes it.
func (s *server) converse(ctx context.Context, conn net.Conn) {
	var wg sync.WaitGroup
	defer wg.Wait()
	var writing sync.Mutex
	for {
		_ = conn.SetReadDeadline(time.Now().Add(idleBound))
		message, err := readFrame(conn)
		if err != nil || !s.enter() {
			return
		}
		wg.Go(func() {
			defer s.leave()
			answer := s.answer(ctx, "tcp", message)
			if answer == nil {
				return
			}
			writing.Lock()
			defer writing.Unlock()
			_ = conn.SetWriteDeadline(time.Now().Add(upstreamBound))
			_ = writeFrame(conn, answer) // whoever does not read has no use for it
		})
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFrame(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

func (s *server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= mostConns {
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *server) remove(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	_ = conn.Close()
}

// answer says what to send back for a message; nil for silence.
func (s *server) answer(ctx context.Context, network string, message []byte) []byte {
	q, err := parseQuery(message)
	plain := err == nil
	if plain {
		if forged, done := s.harm(ctx, q); done {
			return forged
		}
	}
	answer, err := forward(ctx, network, s.upstream, message)
	if err == nil {
		s.forwarded.Add(1)
		return answer
	}
	if !plain || errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return nil // the upstream is silent, and so are we
	}
	answer, _ = refuse(q) // of a question that was parsed
	return answer
}

// harm does to a query what the rules say; done says that answer, or its
// absence, is all there is to it. A rule that is taken away while it holds a
// query up lets go of it at once.
func (s *server) harm(ctx context.Context, q query) (answer []byte, done bool) {
	for _, a := range s.rules() {
		if !a.matches(q.name) {
			continue
		}
		hit, delay := a.draw(uint64(a.queries.Add(1)))
		if !hit {
			return nil, false
		}
		if delay > 0 && !a.hold(ctx, q, delay) {
			return nil, ctx.Err() != nil
		}
		if !a.lies(q.question.Type) {
			return nil, false
		}
		if a.Fail == failNoAnswer {
			a.count(q, &a.silent)
			return nil, true
		}
		answer, err := forge(q, a.Rule, a.owner)
		if err != nil {
			return nil, false // a question that no answer can repeat
		}
		a.count(q, &a.forged)
		return answer, true
	}
	return nil, false
}

// hold waits for as long as the rule delays a query; false when the rule was
// taken away, or the resolver ended, before that.
func (a *active) hold(ctx context.Context, q query, delay time.Duration) bool {
	arrived := time.Now()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.done:
		return false
	case <-ctx.Done():
		return false
	}
	if !q.probe {
		a.delay.Add(int64(time.Since(arrived)))
	}
	if !a.lies(q.question.Type) {
		a.count(q, &a.late)
	} else if !q.probe {
		a.late.Add(1)
	}
	return true
}

// count books a query, brunt's own ones apart.
func (a *active) count(q query, counter *atomic.Int64) {
	if q.probe {
		counter = &a.probes
	}
	counter.Add(1)
}

// forward asks the upstream, over the same transport, and returns its answer
// byte for byte. The transaction id is the client's; the source port, fresh
// for each query, is the kernel's choice.
func forward(ctx context.Context, network, upstream string, message []byte) ([]byte, error) {
	if len(message) < headerLength {
		return nil, errors.New("forward query: it has no header")
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamBound)
	defer cancel()
	answer, err := exchange(ctx, network, upstream, message)
	if err != nil {
		return nil, fmt.Errorf("forward query: %w", err)
	}
	return answer, nil
}

// exchange sends a message on a connection of its own and returns the first
// answer that has its id. Where none comes until ctx ends, the error is that of
// ctx.
func exchange(ctx context.Context, network, address string, message []byte) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
	defer stop()
	if network == "tcp" {
		err = writeFrame(conn, message)
	} else {
		_, err = conn.Write(message)
	}
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	buffer := []byte(nil)
	if network != "tcp" {
		buffer = make([]byte, maxMessage)
	}
	for {
		var answer []byte
		if network == "tcp" {
			answer, err = readFrame(conn)
		} else {
			var n int
			n, err = conn.Read(buffer)
			answer = buffer[:n]
		}
		if err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		if len(answer) >= headerLength && answer[0] == message[0] && answer[1] == message[1] {
			return answer, nil
		}
	}
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// close ends the resolver: nothing is answered any more.
func (s *server) close() {
	s.drop(func(*active) bool { return true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_, _ = s.udp.Close(), s.tcp.Close() // they have nothing to lose
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// inject sets an owner's rule, in place of the one it had. It goes away by
// itself after ttl.
func (s *server) inject(owner string, r Rule, ttl time.Duration) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("set rule: %w", err)
	}
	fresh := &active{Rule: r, owner: owner, expires: time.Now().Add(ttl), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orphan || s.closed {
		return middlebox.ErrOrphan
	}
	next := []*active{fresh}
	for _, a := range s.rules() {
		if a.owner == owner {
			continue
		}
		if a.overlaps(r) {
			return fmt.Errorf("%s: %w (%s)", a.Rule, middlebox.ErrTaken, a.owner)
		}
		next = append(next, a)
	}
	fresh.timer = time.AfterFunc(ttl, func() { s.drop(func(a *active) bool { return a == fresh }) })
	s.swap(next)
	return nil
}

// drop takes away the rules that match.
func (s *server) drop(match func(*active) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swap(slices.DeleteFunc(slices.Clone(s.rules()), match))
}

// swap makes next the rules of the resolver and ends the others. s.mu is held.
func (s *server) swap(next []*active) {
	old := s.rules()
	s.set.Store(&next)
	for _, a := range old {
		if !slices.Contains(next, a) {
			a.timer.Stop()
			close(a.done)
		}
	}
}

// abandon drops every rule for good: brunt is gone.
func (s *server) abandon() {
	s.mu.Lock()
	s.orphan = true
	s.mu.Unlock()
	s.drop(func(*active) bool { return true })
}

// state is what the control socket tells of the resolver.
func (s *server) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{
		Name: s.name, Listen: s.udp.LocalAddr().String(), Upstream: s.upstream, Orphan: s.orphan,
		Forwarded: s.forwarded.Load(), Lost: s.lost.Load(),
	}
	for _, a := range s.rules() {
		state.Rules = append(state.Rules, ActiveRule{
			Rule: a.Rule, Owner: a.owner, ExpiresIn: time.Until(a.expires), Counters: a.counters(),
		})
	}
	return state
}
