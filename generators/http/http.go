// Package http generates HTTP load: single requests or flows of them, over
// HTTP/1.1 and HTTP/2, with and without TLS.
//
// # Sessions and connections
//
// A session is one simulated client. It opens its own connection when it is
// first used and keeps it alive from one arrival to the next; HTTP/1.1 is
// written and read by this package, HTTP/2 by golang.org/x/net/http2. With
// connections.max all sessions share that many connections instead.
// HTTP_PROXY and its like are not looked at: what is measured is the target.
//
// Buffers belong to operations, not to sessions. An idle session costs about
// 1.5 KB with an HTTP/1.1 connection, 11 KB with TLS, and under 20 KB and a
// goroutine with HTTP/2. A request whose text is known beforehand, or made of
// templates, is sent and answered over HTTP/1.1 without an allocation.
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
// A request on a kept-alive connection that the server closed before any byte
// of an answer came is sent once more on a new connection if its method is
// safe (GET, HEAD, OPTIONS) or it carries an Idempotency-Key, as net/http
// does. It stays one operation and its clock runs on.
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
