package http

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// idleQUIC is how long a QUIC connection may lie idle before it is given up
// without a word, unless the server gives it less (RFC 9000 section 10.1).
const idleQUIC = 30 * time.Second

// quicConfig is how QUIC is spoken when no request takes longer than longest.
// Nothing is sent to keep connections alive, and nothing before the handshake
// is done (0-RTT).
func quicConfig(longest time.Duration) *quic.Config {
	return &quic.Config{
		// The operation's own timeout is to end a handshake or an answer that
		// does not come, as it does over TCP.
		HandshakeIdleTimeout: max(idleQUIC, 2*longest),
		MaxIdleTimeout:       max(idleQUIC, 2*longest),
		MaxIncomingStreams:   -1, // servers open none in HTTP/3
	}
}

// An h3Conn is one QUIC connection that HTTP/3 is spoken on, with a UDP socket
// of its own.
type h3Conn struct {
	*http3.ClientConn
	quic      *quic.Conn
	transport *quic.Transport
	udp       net.Conn
}

// Err is why the connection takes no more requests, nil while it does.
func (c *h3Conn) Err() error { return context.Cause(c.quic.Context()) }

// Close says goodbye to the server and gives up the socket.
func (c *h3Conn) Close() error {
	err := c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	return errors.Join(err, c.transport.Close(), c.udp.Close())
}

// dialUDP makes c an HTTP/3 connection. QUIC's handshake is that of TLS, in
// the same datagrams: what came before the server's first datagram is taken
// as connecting, the rest as TLS.
func (g *generator) dialUDP(ctx context.Context, c *conn, e endpoint, h *holder, st *stages) error {
	addrs, port, err := g.places(ctx, g.program.route.at(e.addr), st)
	if err != nil {
		return err
	}
	config := g.tlsFor(e.host, h)
	qc, err := inTurn(ctx, addrs, func(ctx context.Context, a netip.Addr) (*h3Conn, error) {
		start := time.Now()
		udp, err := g.connect(ctx, "udp", a, port)
		if err != nil {
			return nil, err
		}
		d := &datagrams{Conn: udp, start: start}
		t := &quic.Transport{Conn: d}
		qc, err := t.Dial(ctx, udp.RemoteAddr(), config, g.quic)
		took := time.Since(start)
		answered := min(time.Duration(d.answered.Load()), took)
		if answered == 0 {
			answered = took
		}
		st.connect += answered
		st.tls += took - answered
		if err != nil {
			_ = t.Close()
			_ = udp.Close()
			if errors.As(err, new(*quic.HandshakeTimeoutError)) || errors.As(err, new(*quic.IdleTimeoutError)) {
				// As TCP says it when nobody answers.
				err = &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}
			}
			return nil, inStage("QUIC handshake with "+e.host+" at "+net.JoinHostPort(a.String(), port), err)
		}
		return &h3Conn{quic: qc, transport: t, udp: udp}, nil
	})
	if err != nil {
		return err
	}
	g.countHandshake(qc.quic.ConnectionState().TLS)
	qc.ClientConn = g.h3.NewClientConn(qc.quic)
	c.mux = qc
	return nil
}

// newH3 makes what HTTP/3 is spoken with. It dials nothing.
func newH3() *http3.Transport {
	return &http3.Transport{
		DisableCompression:     true, // bodies are decoded here, the same way for all versions
		MaxResponseHeaderBytes: maxHead,
	}
}

// datagrams are a connected UDP socket as QUIC wants to see it. Being
// connected, it hears that nothing listens at the other end (ICMP port
// unreachable) at once. One datagram is read at a time, into one buffer: to
// read several at once QUIC would hold a dozen kilobytes for every session,
// idle or not.
type datagrams struct {
	net.Conn
	start    time.Time
	answered atomic.Int64 // how long after start the first datagram came; 0 for none yet
}

// ReadFrom is called from one goroutine, the transport's.
func (d *datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := d.Read(p)
	if err == nil && d.answered.Load() == 0 {
		d.answered.Store(int64(max(time.Since(d.start), 1)))
	}
	return n, d.RemoteAddr(), err
}

// WriteTo ignores the address: there is only one.
func (d *datagrams) WriteTo(p []byte, _ net.Addr) (int, error) { return d.Write(p) }

// SetReadBuffer asks for the room that QUIC would like datagrams to have in
// the kernel. It gets as much as net.core.rmem_max allows, and less is no
// reason for a warning: a session has few datagrams on their way.
func (d *datagrams) SetReadBuffer(bytes int) error {
	if c, ok := d.Conn.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(bytes)
	}
	return nil
}

// SetWriteBuffer does the same for what goes out (net.core.wmem_max).
func (d *datagrams) SetWriteBuffer(bytes int) error {
	if c, ok := d.Conn.(*net.UDPConn); ok {
		_ = c.SetWriteBuffer(bytes)
	}
	return nil
}

// classifyQUIC sorts the errors of QUIC and HTTP/3. All of QUIC's claim to be
// net.ErrClosed as well, so it is asked first.
//
//   - TLS: the handshake's alerts, which are QUIC's crypto errors.
//   - Refused: the server takes no connections now.
//   - Reset: an idle timeout, a stateless reset, or the server's end of the
//     connection or of the stream.
//   - Protocol: no common version, or either side found the other at fault.
func classifyQUIC(err error) (generators.Class, bool) {
	var (
		transport   *quic.TransportError
		application *quic.ApplicationError
		stream      *quic.StreamError
		h3          *http3.Error
	)
	switch {
	case errors.As(err, new(*quic.VersionNegotiationError)):
		return generators.Protocol, true
	case errors.As(err, new(*quic.StatelessResetError)):
		return generators.Reset, true
	case errors.As(err, &transport):
		switch code := transport.ErrorCode; {
		case code.IsCryptoError():
			return generators.TLS, true
		case code == quic.ConnectionRefused:
			return generators.Refused, true
		case code == quic.NoError, code == quic.InternalError, code == quic.NoViablePathError:
			return generators.Reset, true
		}
		return generators.Protocol, true
	case errors.As(err, &h3) && h3.Remote && h3.ErrorCode == http3.ErrCodeExcessiveLoad:
		return generators.Reset, true // it has enough of this client
	case errors.As(err, &h3):
		return classOfH3(h3.ErrorCode), true
	case errors.As(err, &application):
		return classOfH3(http3.ErrCode(application.ErrorCode)), true
	case errors.As(err, &stream):
		return classOfH3(http3.ErrCode(stream.ErrorCode)), true
	}
	// A header that breaks off has come whole, in a frame that says so.
	return generators.Protocol, strings.HasPrefix(bare(err).Error(), "http3: invalid response")
}

// classOfH3 sorts the codes of RFC 9114 section 8.1.
func classOfH3(code http3.ErrCode) generators.Class {
	switch code {
	case http3.ErrCodeGeneralProtocolError, http3.ErrCodeStreamCreationError, http3.ErrCodeClosedCriticalStream,
		http3.ErrCodeFrameUnexpected, http3.ErrCodeFrameError, http3.ErrCodeExcessiveLoad, http3.ErrCodeIDError,
		http3.ErrCodeSettingsError, http3.ErrCodeMissingSettings, http3.ErrCodeMessageError, http3.ErrCodeDatagramError,
		http3.ErrCodeQPACKDecompressionFailed:
		return generators.Protocol
	}
	return generators.Reset
}
