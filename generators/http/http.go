// Package http generates HTTP load: single requests or flows of them, over
// HTTP/1.1, HTTP/2 and HTTP/3, with and without TLS.
//
// # Sessions and connections
//
// A session is one simulated client. It opens its own connection when it is
// first used and keeps it alive from one arrival to the next; HTTP/1.1 is
// written and read by this package, HTTP/2 by net/http and HTTP/3 by quic-go.
// With connections.max all sessions share that many connections instead.
// HTTP_PROXY and its like are not looked at: what is measured is the target.
//
// Buffers belong to operations, not to sessions. An idle session costs about
// 1.2 KB with an HTTP/1.1 connection, 9 KB with TLS, 26 KB and a goroutine
// with HTTP/2, and 40 to 50 KB and six goroutines with HTTP/3
// (BenchmarkIdleSession; what the kernel keeps for a socket comes on top). A
// request whose text is known beforehand, or made of templates, is sent and
// answered over HTTP/1.1 without an allocation.
//
// Where 2,000 sessions and more are open, those that think give up
// their goroutine, and so do those that have waited for an answer over HTTP/1.1
// for 20 ms and seen nothing of it (on Linux): see generators.Pausing. That takes
// a session's stack and buffers, some 14 KB, off what it costs.
//
// # TLS
//
// A session's new connections resume the TLS sessions of its earlier ones, and
// nobody else's, unless tls.resume is false; with connections.max each of the
// shared connections is such a client. Method Handshakes of the generator
// counts how many handshakes were full and how many resumed.
//
// # The way to the target
//
// With unix, proxy or connect_to connections go elsewhere than to the URL's
// host, which stays the Host field and the name that TLS asks for and
// verifies. Permission (Env.Allow) is asked for each connection: of a proxy
// and of the target behind it, of "unix:" and the path of a socket, of the
// addresses that stand in for a host and not of the host itself. An address
// of connect_to that does not answer fails its operations; the others do not
// stand in for it.
//
// An http:// proxy is sent requests in the clear as they are, with the whole
// URL in their first line, and asked for a tunnel (CONNECT) for TLS and for
// HTTP/2; a socks5:// proxy is asked for a tunnel always. It resolves the
// names of the target. The tunnel counts as connecting. What fails says "via
// proxy HOST:PORT", never the name or the password.
//
// # HTTP/3
//
// Protocol h3 is spoken only when it is asked for: Alt-Svc is not looked at.
// Each connection has a UDP socket of its own, connected, so that a port where
// nothing listens is Refused at once. Early data (0-RTT) is not sent, and
// nothing that keeps a connection alive: one that lies idle for 30 s, or less
// if the server says so, is made anew by the next operation. QUIC's handshake
// is TLS's, in the same datagrams: the time to the server's first datagram is
// Connect, the rest of the handshake TLS.
//
// QUIC would like UDP sockets to have buffers of 7 MiB. They get what
// net.core.rmem_max and wmem_max allow, without a warning; where single
// connections are to carry a lot, raise both. A body without Content-Length that the
// server ends in the middle of a DATA frame is taken as whole: the library
// does not tell.
//
// # What the stamps of an operation mean
//
// Started is taken just before the first byte of the request is handed to the
// socket. When a connection has to be made first, Started is before that, so
// that the service time holds name lookup, connect and handshake; each of
// these is also recorded as a stage of its own. Waiting for one of
// connections.max connections comes before Started and is wait. Ended is taken
// when the last byte of the answer has been read and the checks are done. An
// operation with redirects is one operation from the first request to the last
// answer; its stages add up, and FirstByte is that of the last answer.
//
// # What is sent again
//
// A server may close a connection that lies idle just as a request is on its
// way to it. Such a request is sent once more on a new connection; it stays one
// operation and its clock runs on, and the report says how many there were.
// That is done only where it is proven that the server never took it:
//
//   - The connection was broken before any byte of the request was handed to
//     it.
//   - The server's end of the connection came (FIN, or TLS's close_notify)
//     without acknowledging any byte of the request, as the system tells
//     (Linux: TCP_INFO), before any byte of an answer; and the method is safe
//     (GET, HEAD, OPTIONS) or there is an Idempotency-Key, since a server that
//     has closed only its own side may still read.
//   - HTTP/2 and 3: the server said so (GOAWAY, REFUSED_STREAM,
//     H3_REQUEST_REJECTED).
//
// All else is a failure of class Reset: a request that was read or only lay
// unread at a server that was killed, and every connection that was reset,
// even one that had long been dead. Browsers and Go's net/http, with what is built
// on it, send safe requests again in all of these cases, and show nothing of it.
// Over a proxy it is the proxy that acknowledges. On Unix sockets, and on systems
// other than Linux, acknowledgements are not known: only what was not handed on
// is sent again.
//
// # How failures are classed
//
// Once the timeout has expired the class is Timeout, whatever the operation
// was waiting for; the error says what. Once the run's context has ended the
// class is Canceled. Otherwise: see function classify.
package http

import (
	"github.com/brunt-dev/brunt/generators"
)

// New makes a generator of HTTP load. The error names the field that is at
// fault. Nothing is sent.
func New(c Config, env generators.Env) (generators.Generator, error) {
	p, err := compile(c, env)
	if err != nil {
		return nil, err
	}
	return newGenerator(c, env, p)
}

// Steps returns the names of the requests of c in the order of their
// indices; think times have none.
func Steps(c Config) []string {
	return stepNames(c.flow())
}
