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

// dial makes a connection: permission, name, TCP, TLS, and the beginning of
// HTTP/2 where that is what will be spoken. Every connection looks the name
// up anew. ctx bounds all of it.
func (g *generator) dial(ctx context.Context, e endpoint, st *stages) (*conn, error) {
	if err := g.allow(e.addr); err != nil {
		return nil, err
	}
	if msg := protocolMismatch(g.config.Protocol, e.tls); msg != "" {
		return nil, localError{errors.New(msg)} // a URL known only now
	}
	host, port, err := net.SplitHostPort(e.addr)
	if err != nil {
		return nil, err
	}
	addrs, err := g.lookup(ctx, host, st)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	nc, err := connect(ctx, addrs, port)
	st.connect += time.Since(start)
	if err != nil {
		return nil, err
	}
	c := &conn{tls: e.tls, addr: e.addr, nc: nc, probe: newProbe(nc)}
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
	speaksH2 := g.config.Protocol == "h2c"
	if speaksH2 {
		c.nc = &prefaceConn{Conn: nc}
	}
	if e.tls {
		start := time.Now()
		tc, err := g.handshake(ctx, nc, host)
		st.tls += time.Since(start)
		if err != nil {
			_ = nc.Close()
			return nil, err
		}
		c.nc = tc
		speaksH2 = tc.ConnectionState().NegotiatedProtocol == "h2"
		if g.config.Protocol == "h2" && !speaksH2 {
			_ = tc.Close()
			return nil, protocolError("the server does not offer HTTP/2")
		}
	}
	if speaksH2 {
		c.h2, err = g.h2.NewClientConn(context.WithValue(ctx, dialed{}, c.nc), e.scheme(), e.addr)
		if err != nil {
			_ = c.nc.Close()
			return nil, inStage("start HTTP/2", err)
		}
	}
	return c, nil
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

// connect tries the addresses in turn, each with its share of the time left.
func connect(ctx context.Context, addrs []netip.Addr, port string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1} // timeouts see to peers that are gone
	var first error
	for i, a := range addrs {
		dctx, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && len(addrs)-i > 1 {
			dctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addrs)-i))
		}
		to := net.JoinHostPort(a.String(), port)
		nc, err := d.DialContext(dctx, "tcp", to)
		cancel()
		if err == nil {
			return nc, nil
		}
		if isTimeout(err) && ctx.Err() == nil {
			// Its share of the time is over, not all of it.
			err = &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}
		}
		if first == nil {
			first = inStage("connect to "+to, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// handshake begins TLS on a connection.
func (g *generator) handshake(ctx context.Context, nc net.Conn, host string) (*tls.Conn, error) {
	config := g.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = host
	}
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, handshakeError{inStage("TLS handshake with "+host, err)}
	}
	return tc, nil
}

// handshakeError marks what went wrong while TLS was begun.
type handshakeError struct{ err error }

func (e handshakeError) Error() string { return e.err.Error() }
func (e handshakeError) Unwrap() error { return e.err }

// tlsConfig reads the files that a TLS section names.
func tlsConfig(c TLS, protocol string) (*tls.Config, error) {
	version, err := tlsVersion(c.MinVersion)
	if err != nil {
		return nil, err
	}
	t := &tls.Config{
		InsecureSkipVerify: c.Insecure,
		ServerName:         c.ServerName,
		MinVersion:         version,
	}
	switch protocol {
	case "h1":
		t.NextProtos = []string{"http/1.1"}
	case "h2":
		t.NextProtos = []string{"h2"}
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

// tlsVersion is the number of a version of TLS; empty means 1.2.
func tlsVersion(name string) (uint16, error) {
	switch name {
	case "1.0":
		return tls.VersionTLS10, nil
	case "1.1":
		return tls.VersionTLS11, nil
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("there is no TLS version %q: use 1.0, 1.1, 1.2 or 1.3", name)
}
