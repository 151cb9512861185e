package proxy

import (
	"context"
	"net"
	"sync"
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
	talk  talk // what is spoken on it, once toxics ask

	client *net.TCPConn
	dead   chan struct{} // closed when nothing passes any more: stopped

	mu       sync.Mutex
	upstream *net.TCPConn // nil until it is dialled
	streams  []*stream
	stopped  bool    // cut, shut or halved
	isCut    bool    // both connections are closed
	half     *active // the toxic that took one side away
	over     bool
	timers   map[*active]*time.Timer // of toxics that end it later
}

func newLink(id uint64, s *server, client *net.TCPConn) *link {
	return &link{id: id, proxy: s, client: client, dead: make(chan struct{}), timers: map[*active]*time.Timer{}}
}

// run dials the upstream and passes traffic until the link ends. The goroutine
// that runs it owns the connections.
func (l *link) run(ctx context.Context) {
	defer l.client.Close()
	defer l.disarm()
	l.obey(l.proxy.toxics())
	dialer := net.Dialer{Timeout: dialBound}
	dialing, stop := l.untilDead(ctx)
	conn, err := dialer.DialContext(dialing, "tcp", l.proxy.upstream)
	stop()
	if a := l.remnant(); err != nil && a != nil {
		l.linger(ctx, a)
		return
	}
	if err != nil {
		l.cut() // what a client sees of an upstream that refuses
		return
	}
	up := conn.(*net.TCPConn)
	defer up.Close()

	to, from := newStream(l, upstream, l.client, up), newStream(l, downstream, up, l.client)
	to.peer, from.peer = from, to
	l.mu.Lock()
	l.upstream, l.streams = up, []*stream{to, from}
	if l.isCut || l.half != nil && l.half.Way == upstream {
		reset(up)
	}
	l.mu.Unlock()

	var wg sync.WaitGroup
	var sent error
	wg.Go(func() { sent = to.run() })
	received := from.run()
	wg.Wait()
	if a := l.remnant(); a != nil {
		l.linger(ctx, a)
		return
	}
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
	l.cutLocked()
}

func (l *link) cutLocked() { l.endLocked(reset) }

// shutLocked closes both connections in order, as far as a proxy can: what was
// written to them is delivered. l.mu is held.
func (l *link) shutLocked() { l.endLocked(func(conn *net.TCPConn) { _ = conn.Close() }) }

func (l *link) endLocked(end func(*net.TCPConn)) {
	if l.isCut {
		return
	}
	l.isCut = true
	if !l.stopped {
		l.stopped = true
		close(l.dead)
	}
	end(l.client)
	if l.upstream != nil {
		end(l.upstream)
	}
}

// obey makes the link follow the toxics that act on whole connections.
func (l *link) obey(set toxicSet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow(set)
}

// changed makes the link obey other toxics and tells the streams; removed are
// those that are gone, so that nothing waits for them any more.
func (l *link) changed(set toxicSet, removed []*active) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range removed {
		if a.Closing && a.hits(l.id) {
			l.shutLocked()
		}
	}
	l.follow(set)
	for _, s := range l.streams {
		s.changed(len(removed) > 0)
	}
}

func (l *link) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// reset closes a connection with a TCP reset. Closing what is closed already
// does nothing.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
