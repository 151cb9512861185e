package http

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"time"
)

// roundTripH2 does the same over HTTP/2, where net/http keeps the streams of a
// connection apart. BytesOut and BytesIn count header fields as they are
// before compression, and bodies. keep is false when the connection is of no
// more use.
func (a *attempt) roundTripH2(ctx context.Context, c *conn, m *message) (keep bool, err error) {
	sc := a.sc
	u := m.url()
	r := &nethttp.Request{
		Method: m.method, URL: u, Host: m.endpoint.authority, Header: make(nethttp.Header, len(sc.fields)+1),
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}
	out := int64(len(m.method) + len(m.target) + len(m.endpoint.authority) + len(m.body))
	for i := range sc.fields {
		f := &sc.fields[i]
		if m.skips(f) {
			continue
		}
		out += int64(len(f.name) + len(f.value))
		switch f.name {
		case "Host":
			r.Host = string(f.value)
		case "Expect": // a body has its own frames, that can be stopped at any time
		default:
			r.Header[f.name] = append(r.Header[f.name], string(f.value))
		}
	}
	if m.cookies != "" {
		out += int64(len(m.cookies))
		r.Header.Add("Cookie", m.cookies)
	}
	if len(m.body) > 0 {
		// The transport may read the body after it returned.
		body := bytes.Clone(m.body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	} else if m.method == "POST" || m.method == "PUT" || m.method == "PATCH" {
		r.Body = nethttp.NoBody
	}
	a.start()
	dctx, cancel := context.WithDeadline(ctx, a.deadline)
	defer cancel()
	resp, err := c.h2.RoundTrip(r.WithContext(dctx))
	a.op.BytesOut += out
	if err != nil {
		if p, ok := c.nc.(*prefaceConn); ok && p.foreign.Load() {
			err = protocolError("the server does not answer in HTTP/2")
		}
		return c.h2.Err() == nil, inStage("read the answer", err)
	}
	a.op.FirstByte = time.Since(a.op.Started)
	fields := headerFields(resp.Header)
	a.op.BytesIn += fields.size()
	a.op.Status = resp.StatusCode
	a.sc.answer = answer{status: resp.StatusCode, fields: fields}
	b := &h2Body{r: resp.Body, in: &a.op.BytesIn}
	none := m.method == "HEAD" || resp.StatusCode == 204 || resp.StatusCode == 304
	err = a.readBody(b, none, m.keepBody)
	b.close()
	if err != nil {
		return c.h2.Err() == nil, inStage("read the body", err)
	}
	return true, nil
}

// A prefaceConn looks at the first bytes from a server that was not asked
// whether it speaks HTTP/2. What net/http says of one that does not depends on
// which came first, its answer or the request.
type prefaceConn struct {
	net.Conn
	seen    int
	foreign atomic.Bool // the first frame is not SETTINGS
}

// Read is called from one goroutine, the connection's reader.
func (c *prefaceConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	const kindAt, settings = 3, 4 // RFC 9113 sections 3.4 and 4.1
	if i := kindAt - c.seen; i >= 0 && i < n && p[i] != settings {
		c.foreign.Store(true)
	}
	c.seen = min(c.seen+n, kindAt+1)
	return n, err
}

// unprocessed is true when the server said, or the connection knows, that a
// request was not looked at: it came too late for a connection that was being
// closed (RFC 9113 section 8.7). Some of these errors have no type.
func unprocessed(err error) bool {
	var s streamError
	if errors.As(err, &s) {
		const refusedStream = 7
		return s.Code == refusedStream
	}
	text := err.Error()
	return strings.HasSuffix(text, "Transport received Server's graceful shutdown GOAWAY") ||
		strings.HasSuffix(text, "client conn not usable")
}

// headerFields are the fields of an HTTP/2 answer.
type headerFields nethttp.Header

func (h headerFields) first(name string) (string, bool) {
	v := nethttp.Header(h).Values(name)
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

func (h headerFields) each(name string, f func(string)) {
	for _, v := range nethttp.Header(h).Values(name) {
		f(v)
	}
}

func (h headerFields) size() int64 {
	var n int64
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(v))
		}
	}
	return n
}

// An h2Body reads the body of an HTTP/2 answer in pieces.
type h2Body struct {
	r   io.ReadCloser
	in  *int64
	buf *[]byte
}

func (b *h2Body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	*b.in += int64(n)
	return n, err
}

func (b *h2Body) next() ([]byte, error) {
	if b.buf == nil {
		b.buf = largeBuffers.Get().(*[]byte)
	}
	n, err := b.Read(*b.buf)
	if n > 0 {
		err = nil
	}
	return (*b.buf)[:n], err
}

func (b *h2Body) close() {
	_ = b.r.Close()
	if b.buf != nil {
		largeBuffers.Put(b.buf)
		b.buf = nil
	}
}
