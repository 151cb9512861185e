package http

import (
	"context"
	"crypto/tls"
	"net"
	nethttp "net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// A generator makes sessions that all play one program.
type generator struct {
	config    Config
	env       generators.Env
	program   *program
	keepAlive bool
	maxBody   int64
	tls       *tls.Config
	h2        *nethttp.Transport
	h3        *http3.Transport
	resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
	shared    *sharedConns // nil when each session has its own

	continueWait time.Duration

	resume bool // TLS sessions
	quic   *quic.Config

	dials, lookups atomic.Int64
	full, resumed  atomic.Int64 // TLS handshakes
	resent         atomic.Int64 // requests

	many      int64         // from how many sessions on they pause
	shortWait time.Duration // before they do so for an answer
	open      atomic.Int64  // sessions

	mu      sync.Mutex
	watches map[<-chan struct{}]*watch // by the context's Done
	polling *poller                    // nil until it is needed
}

func newGenerator(c Config, env generators.Env, p *program) (*generator, error) {
	t, err := tlsConfig(c.TLS, c.Protocol)
	if err != nil {
		return nil, err
	}
	g := &generator{
		config: c, env: env, program: p, tls: t, h2: newH2(), h3: newH3(),
		keepAlive: c.Connections.KeepAlive == nil || *c.Connections.KeepAlive,
		maxBody:   c.MaxBody, continueWait: continueWait,
		many: manySessions, shortWait: shortWait,
		resume: c.TLS.Resume == nil || *c.TLS.Resume,
		quic:   quicConfig(p.longest),
		resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}
	if g.maxBody == 0 {
		g.maxBody = defaultMaxBody
	}
	if n := c.Connections.Max; n > 0 {
		g.shared = newSharedConns(n)
	}
	return g, nil
}

// Precision is how late an arrival may go out.
func (g *generator) Precision() time.Duration { return g.config.Precision }

// Pool is how many connections all sessions share; 0 gives each its own.
func (g *generator) Pool() int { return g.config.Connections.Max }

// SharePool says how many of them are for the sessions of this process.
func (g *generator) SharePool(n int) { g.shared = newSharedConns(n) }

// Longest is the longest timeout of a request.
func (g *generator) Longest() time.Duration { return g.program.longest }

// Resent counts the requests that were sent once more. It may be called from
// any goroutine.
func (g *generator) Resent() int64 { return g.resent.Load() }

// Open makes a session. It connects when it is first used.
func (g *generator) Open(ctx context.Context, id int) (generators.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	s := &session{g: g, id: id}
	g.open.Add(1)
	if g.shared != nil {
		g.shared.join()
	}
	return s, nil
}

// sharedConns are the connections of connections.max: that many holders, lent
// to one session at a time, the longest unused first. An HTTP/1.1 connection
// is in use while its holder is lent; an HTTP/2 one takes any number of
// requests, so its holder comes back as soon as it stands.
type sharedConns struct {
	free chan *holder

	mu       sync.Mutex
	sessions int
	all      []*holder
}

func newSharedConns(n int) *sharedConns {
	s := &sharedConns{free: make(chan *holder, n)}
	for range n {
		h := &holder{}
		s.all = append(s.all, h)
		s.free <- h
	}
	return s
}

func (s *sharedConns) join() {
	s.mu.Lock()
	s.sessions++
	s.mu.Unlock()
}

// leave closes the connections when the last session goes.
func (s *sharedConns) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions--; s.sessions > 0 {
		return
	}
	// No session is left to hold any of them.
	for _, h := range s.all {
		h.close()
	}
}
