package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// stages are how long the parts of making connections took.
type stages struct{ dns, connect, tls time.Duration }

// refusal marks an address that the run may not touch.
type refusal struct{ err error }

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// allow asks whether an address belongs to the run's target.
func (g *generator) allow(addr string) error {
	if g.env.Allow == nil {
		return refusal{fmt.Errorf("%s is outside the target", addr)}
	}
	if err := g.env.Allow(addr); err != nil {
		return refusal{err}
	}
	return nil
}

// dial makes a connection: permission, name, transport, TLS, and the beginning
// of HTTP/2 or 3 where that is what will be spoken. Every connection looks the
// name up anew. ctx bounds all of it; h is the client, whose TLS sessions
// may be resumed.
func (g *generator) dial(ctx context.Context, e endpoint, h *holder, st *stages) (*conn, error) {
	if msg := protocolMismatch(g.config.Protocol, e.tls); msg != "" {
		return nil, localError{errors.New(msg)} // a URL known only now
	}
	c := g.newConn(e)
	var err error
	if g.config.Protocol == "h3" {
		err = g.dialUDP(ctx, c, e, h, st)
	} else {
		err = g.dialStream(ctx, c, e, h, st)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// newConn is a connection that is still to be made.
func (g *generator) newConn(e endpoint) *conn {
	c := &conn{tls: e.tls, addr: e.addr}
	c.users.Store(1)
	c.left.Store(math.MaxInt64)
	if n := g.config.Connections.MaxRequests; n > 0 {
		c.left.Store(int64(n))
	}
	if !g.keepAlive {
		c.left.Store(1)
	}
	if age := g.config.Connections.MaxAge; age > 0 {
		// Up to a tenth earlier: connections made together would otherwise
		// be replaced together, for ever.
		spread := time.Duration(g.dials.Add(1)*7919%1000) * (age / 10) / 1000
		c.expiry = time.Now().Add(age - spread)
	}
	return c
}

// dialStream makes c a connection over a byte stream: TCP or a Unix socket,
// by way of a proxy or not.
func (g *generator) dialStream(ctx context.Context, c *conn, e endpoint, h *holder, st *stages) error {
	nc, err := g.reach(ctx, c, e, st)
	if err == nil {
		c.nc, c.probe = nc, newProbe(c.stream)
		err = g.begin(ctx, c, e, h, st)
	}
	if p := g.program.route.proxy; p != nil {
		return p.via(err)
	}
	return err
}

// begin starts TLS and HTTP/2 on the stream that c is, and closes it if either
// fails.
func (g *generator) begin(ctx context.Context, c *conn, e endpoint, h *holder, st *stages) error {
	speaksH2 := g.config.Protocol == "h2c"
	if speaksH2 {
		c.nc = &prefaceConn{Conn: c.nc}
	}
	if e.tls {
		start := time.Now()
		tc, err := g.handshake(ctx, c.nc, e.host, h)
		st.tls += time.Since(start)
		if err != nil {
			_ = c.nc.Close()
			return err
		}
		c.nc = tc
		speaksH2 = tc.ConnectionState().NegotiatedProtocol == "h2"
		if g.config.Protocol == "h2" && !speaksH2 {
			_ = tc.Close()
			return protocolError("the server does not offer HTTP/2")
		}
	}
	if !speaksH2 {
		return nil
	}
	h2, err := g.h2.NewClientConn(context.WithValue(ctx, dialed{}, c.nc), e.scheme(), e.addr)
	if err != nil {
		_ = c.nc.Close()
		return inStage("start HTTP/2", err)
	}
	c.mux = h2
	return nil
}

// reach makes the byte stream to an endpoint, TLS not included.
func (g *generator) reach(ctx context.Context, c *conn, e endpoint, st *stages) (net.Conn, error) {
	r := g.program.route
	switch {
	case r.unix != "":
		return c.over(g.dialUnix(ctx, r.unix, st))
	case r.proxy == nil:
		return c.over(g.dialTCP(ctx, r.at(e.addr), st))
	}
	if err := g.allow(e.addr); err != nil {
		return nil, err
	}
	nc, err := c.over(g.dialTCP(ctx, r.proxy.addr, st))
	if err != nil {
		return nil, err
	}
	if r.proxy.forwards(e, g.config.Protocol) {
		c.proxy = r.proxy
		return nc, nil
	}
	start := time.Now()
	through, err := r.proxy.tunnel(ctx, nc, e.addr)
	st.connect += time.Since(start)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return through, nil
}

// over makes nc what the connection is made of.
func (c *conn) over(nc net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	c.stream = &stream{Conn: nc}
	return c.stream, nil
}

func (g *generator) dialUnix(ctx context.Context, path string, st *stages) (net.Conn, error) {
	if err := g.allow("unix:" + path); err != nil {
		return nil, err
	}
	var d net.Dialer
	start := time.Now()
	nc, err := d.DialContext(ctx, "unix", path)
	st.connect += time.Since(start)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTSOCK):
		return nil, inStage("connect to unix:"+path, noListener{err})
	case errors.Is(err, syscall.EACCES):
		return nil, inStage("connect to unix:"+path, localError{err})
	}
	return nc, inStage("connect to unix:"+path, err)
}

// noListener marks that nothing listens on a Unix socket because there is no
// such socket.
type noListener struct{ err error }

func (e noListener) Error() string { return e.err.Error() }
func (e noListener) Unwrap() error { return e.err }

// dialTCP connects to a host:port, which it asks permission for.
func (g *generator) dialTCP(ctx context.Context, addr string, st *stages) (net.Conn, error) {
	addrs, port, err := g.places(ctx, addr, st)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	nc, err := inTurn(ctx, addrs, func(ctx context.Context, a netip.Addr) (net.Conn, error) {
		return g.connect(ctx, "tcp", a, port)
	})
	st.connect += time.Since(start)
	return nc, err
}

// places asks for permission and finds the IP addresses of a host:port.
func (g *generator) places(ctx context.Context, addr string, st *stages) (addrs []netip.Addr, port string, err error) {
	if err := g.allow(addr); err != nil {
		return nil, "", err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	addrs, err = g.lookup(ctx, host, st)
	return addrs, port, err
}

// dialed is the context key under which a finished connection is handed to
// net/http, which then speaks HTTP/2 on it.
type dialed struct{}

// newH2 makes the transport whose ClientConns speak HTTP/2. It dials nothing.
func newH2() *nethttp.Transport {
	hand := func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, ok := ctx.Value(dialed{}).(net.Conn)
		if !ok {
			return nil, errors.New("no connection was made")
		}
		return c, nil
	}
	var protocols nethttp.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &nethttp.Transport{
		DialContext:            hand,
		DialTLSContext:         hand,
		Protocols:              &protocols,
		DisableCompression:     true, // bodies are decoded here, the same way for all versions
		MaxResponseHeaderBytes: maxHead,
		HTTP2:                  &nethttp.HTTP2Config{StrictMaxConcurrentRequests: true},
	}
}

// lookup finds the addresses of a host.
func (g *generator) lookup(ctx context.Context, host string, st *stages) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	start := time.Now()
	addrs, err := g.resolve(ctx, host)
	st.dns += time.Since(start)
	if err != nil {
		return nil, inStage("look up "+host, err)
	}
	if len(addrs) == 0 {
		return nil, inStage("look up "+host, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true})
	}
	return spread(addrs, int(g.lookups.Add(1)-1)), nil
}

// spread begins with the n-th address of the preferred family, so that
// connections go to all addresses of a name in turn. The other family is for
// when none of these answers.
func spread(addrs []netip.Addr, n int) []netip.Addr {
	var preferred, others []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		if a.Is4() == addrs[0].Unmap().Is4() {
			preferred = append(preferred, a)
		} else {
			others = append(others, a)
		}
	}
	n %= len(preferred)
	turned := append(append([]netip.Addr{}, preferred[n:]...), preferred[:n]...)
	return append(turned, others...)
}

// inTurn tries the addresses of a name one after the other, each with its
// share of the time left. The error is that of the first, unless time ran out.
func inTurn[C any](ctx context.Context, addrs []netip.Addr, try func(context.Context, netip.Addr) (C, error)) (C, error) {
	var none C
	var first error
	for i, a := range addrs {
		dctx, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && len(addrs)-i > 1 {
			dctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addrs)-i))
		}
		c, err := try(dctx, a)
		cancel()
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if isTimeout(err) && (i == len(addrs)-1 || ctx.Err() != nil) {
			// The time is over. ctx may not know it yet: deadlines of sockets
			// are a matter of their own.
			return none, err
		}
		if ctx.Err() != nil {
			break
		}
		if isTimeout(first) {
			// Its share of the time is over, not all of it.
			first = inStage(stageOf(first), &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT})
		}
	}
	return none, first
}

// connect makes a TCP connection, or a UDP socket that knows its peer, from
// the source address whose turn it is.
func (g *generator) connect(ctx context.Context, network string, a netip.Addr, port string) (net.Conn, error) {
	from, err := g.program.route.from(a)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1} // timeouts see to peers that are gone
	to := net.JoinHostPort(a.String(), port)
	stage := "connect to " + to
	if from.IsValid() {
		d.Control = lateBind
		if d.LocalAddr = net.Addr(&net.TCPAddr{IP: from.AsSlice(), Zone: from.Zone()}); network == "udp" {
			d.LocalAddr = &net.UDPAddr{IP: from.AsSlice(), Zone: from.Zone()}
		}
		stage += " from " + from.String()
	}
	nc, err := d.DialContext(ctx, network, to)
	if network == "udp" && errors.Is(err, syscall.EAGAIN) {
		err = localError{errors.New("no local UDP port is free")} // so Linux says it
	}
	return nc, inStage(stage, err)
}

// handshake begins TLS on a connection.
func (g *generator) handshake(ctx context.Context, nc net.Conn, host string, h *holder) (*tls.Conn, error) {
	tc := tls.Client(nc, g.tlsFor(host, h))
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, handshakeError{inStage("TLS handshake with "+host, err)}
	}
	g.countHandshake(tc.ConnectionState())
	return tc, nil
}

// tlsFor is the TLS configuration of one client for one host.
func (g *generator) tlsFor(host string, h *holder) *tls.Config {
	config := g.tls
	if config.ServerName != "" && !g.resume {
		return config
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	if g.resume {
		config.ClientSessionCache = h.resumable()
	}
	return config
}

func (g *generator) countHandshake(s tls.ConnectionState) {
	if s.DidResume {
		g.resumed.Add(1)
	} else {
		g.full.Add(1)
	}
}

// Handshakes counts the TLS handshakes that were done so far, those that
// resumed an earlier session of the same client apart. It may be called from
// any goroutine.
func (g *generator) Handshakes() (full, resumed int64) { return g.full.Load(), g.resumed.Load() }

// handshakeError marks what went wrong while TLS was begun.
type handshakeError struct{ err error }

func (e handshakeError) Error() string { return e.err.Error() }
func (e handshakeError) Unwrap() error { return e.err }

// tlsConfig reads the files that a TLS section names.
func tlsConfig(c TLS, protocol string) (*tls.Config, error) {
	oldest, err := tlsVersion(c.MinVersion, tls.VersionTLS12)
	if err != nil {
		return nil, fmt.Errorf("tls.min_version: %w", err)
	}
	newest, err := tlsVersion(c.MaxVersion, tls.VersionTLS13)
	if err != nil {
		return nil, fmt.Errorf("tls.max_version: %w", err)
	}
	t := &tls.Config{
		InsecureSkipVerify: c.Insecure,
		ServerName:         c.ServerName,
		MinVersion:         oldest,
		MaxVersion:         newest,
	}
	if protocol == "" || protocol == "auto" {
		if newest < tls.VersionTLS12 {
			protocol = "h1" // HTTP/2 wants more (RFC 9113 section 9.2)
		}
	}
	switch protocol {
	case "h1":
		t.NextProtos = []string{"http/1.1"}
	case "h2":
		t.NextProtos = []string{"h2"}
	case "h3":
		t.NextProtos = []string{http3.NextProtoH3}
	default:
		t.NextProtos = []string{"h2", "http/1.1"}
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// tlsVersion is the number of a version of TLS; empty means the one given.
func tlsVersion(name string, otherwise uint16) (uint16, error) {
	switch name {
	case "":
		return otherwise, nil
	case "1.0":
		return tls.VersionTLS10, nil
	case "1.1":
		return tls.VersionTLS11, nil
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("there is no TLS version %q: use 1.0, 1.1, 1.2 or 1.3", name)
}
