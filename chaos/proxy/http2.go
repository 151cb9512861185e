package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"
)

// http2 speaks HTTP/2 in the clear for both sides of a link, from its opening
// to its end: what is said is passed on by meaning, not by the byte, because
// header compression ties every request to those before it.
func (s *stream) http2() error {
	client, up := newWire(s, s.peer), newWire(s.peer, s)
	defer s.link.talk.yield()
	defer up.leave()
	defer client.leave()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	dialled := false
	transport := &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if dialled {
				return nil, errors.New("the upstream ended the connection")
			}
			dialled = true
			return up, nil
		},
	}
	quiet := log.New(io.Discard, "", 0)
	forward := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: quiet,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", r.In.Host, r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			c, _ := r.Request.Context().Value(changeKey{}).(change)
			return c.response(r)
		},
		// As the upstream did: no answer, rather than one of ours.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	var serving sync.WaitGroup // the connection, and requests on it
	serving.Add(1)
	server := &http.Server{
		Protocols: &protocols, ErrorLog: quiet,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serving.Add(1)
			defer serving.Done()
			s.serveHTTP2(w, r, forward)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				serving.Done()
			}
		},
	}
	_ = server.Serve(&oneConn{conn: client, done: s.link.dead}) // ends with the link
	_ = server.Close()
	serving.Wait()
	transport.CloseIdleConnections()
	return nil
}

type changeKey struct{}

// serveHTTP2 deals with one request.
func (s *stream) serveHTTP2(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	grpc := strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
	v := s.link.proxy.toxics().judge(r.Method, r.URL.Path, grpc)
	v.delay(r.Context().Done())
	if v.abort != nil {
		v.abort.rule.refuse(w)
		return
	}
	ask, answer := v.changes()
	if answer.replaces() {
		r.Header.Set("Accept-Encoding", "identity")
	}
	ask.request(r)
	forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), changeKey{}, answer)))
}

// refuse answers a request over HTTP/2: with a status or, in the way of gRPC,
// with a trailer and nothing else.
func (r *rule) refuse(w http.ResponseWriter) {
	r.aborted.Add(1)
	w.Header().Set("Brunt-Fault", "abort")
	if r.GRPC == 0 {
		http.Error(w, http.StatusText(r.Abort), r.Abort)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", strconv.Itoa(r.GRPC))
	w.Header().Set("Grpc-Message", "broken on purpose")
	w.WriteHeader(http.StatusOK)
}

// fields changes header fields.
func (c change) fields(h http.Header) {
	for _, p := range c.patches {
		for _, name := range p.Remove {
			h.Del(name)
		}
		for name, value := range p.Set {
			h.Set(name, value)
		}
	}
}

// request changes a request over HTTP/2.
func (c change) request(r *http.Request) {
	if c.none() {
		return
	}
	c.fields(r.Header)
	if c.body() && r.ContentLength != 0 {
		body, length, ok := c.read(r.Body, r.Header)
		r.Body, r.ContentLength = body, length
		if !ok {
			return
		}
	}
	c.done()
}

// response changes a response over HTTP/2.
func (c change) response(r *http.Response) error {
	if c.none() {
		return nil
	}
	c.fields(r.Header)
	for _, p := range c.patches {
		if p.Status != 0 {
			r.StatusCode = p.Status
		}
	}
	if c.body() && r.Request.Method != http.MethodHead {
		body, length, ok := c.read(r.Body, r.Header)
		r.Body, r.ContentLength = body, length
		if !ok {
			return nil
		}
	}
	c.done()
	return nil
}

// read reads a body whole and returns what becomes of it; ok is false when it
// is too long, or encoded, and stays as it is.
func (c change) read(body io.ReadCloser, h http.Header) (changed io.ReadCloser, length int64, ok bool) {
	coding := h.Get("Content-Encoding")
	if c.replaces() && coding != "" && coding != "identity" {
		c.missed()
		return body, -1, false
	}
	text, err := io.ReadAll(io.LimitReader(body, maxPatchedBody+1))
	if err != nil || len(text) > maxPatchedBody {
		c.missed()
		return joined{io.MultiReader(strings.NewReader(string(text)), body), body}, -1, false
	}
	text = c.text(text)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if c.given() {
		h.Del("Content-Encoding")
	}
	return joined{strings.NewReader(string(text)), body}, int64(len(text)), true
}

type joined struct {
	io.Reader
	io.Closer
}

// A oneConn is a listener of one connection. It ends with the link.
type oneConn struct {
	conn net.Conn
	done <-chan struct{}
}

func (o *oneConn) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	<-o.done
	return nil, net.ErrClosed
}

func (o *oneConn) Close() error   { return nil }
func (o *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A wire is one side of a link as a connection: it reads what comes from that
// side, and writes to it through the toxics that act on that way. Closing it
// ends the link.
type wire struct {
	in, out *stream

	reading sync.Mutex // of the source, one at a time
	deaf    bool
	writing sync.Mutex
	mute    bool
}

func newWire(in, out *stream) *wire { return &wire{in: in, out: out} }

// leave ends the link and returns when nobody uses the wire any more, or ever
// will: the streams' own goroutines take over.
func (w *wire) leave() {
	_ = w.Close()
	w.reading.Lock()
	defer w.reading.Unlock()
	w.writing.Lock()
	defer w.writing.Unlock()
	w.deaf, w.mute = true, true
}

func (w *wire) Read(p []byte) (int, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	if w.deaf {
		return 0, net.ErrClosed
	}
	if len(w.in.source.bytes()) == 0 {
		if err := w.in.source.fill(nil); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.in.source.bytes())
	w.in.source.take(n)
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.mute {
		return 0, net.ErrClosed
	}
	if err := w.out.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the link, after what was written has left.
func (w *wire) Close() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	if w.mute {
		return nil
	}
	w.mute = true
	_ = w.out.sendEnd()
	l := w.in.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shutLocked()
	return nil
}

func (w *wire) LocalAddr() net.Addr              { return w.in.from.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr             { return w.in.from.RemoteAddr() }
func (w *wire) SetDeadline(time.Time) error      { return nil } // toxics are slow on purpose
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
