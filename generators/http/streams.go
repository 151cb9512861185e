package http

import (
	"bytes"
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// roundTripStream does the same over HTTP/2 and 3, where a library keeps the
// streams of a connection apart. BytesOut and BytesIn count header fields as
// they are before compression, and bodies. keep is false when the connection
// is of no more use.
func (a *attempt) roundTripStream(ctx context.Context, c *conn, m *message) (keep bool, err error) {
	sc := a.sc
	u := m.url()
	r := &nethttp.Request{
		Method: m.method, URL: u, Host: m.endpoint.authority, Header: make(nethttp.Header, len(sc.fields)+1),
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
	resp, err := c.mux.RoundTrip(r.WithContext(dctx)) //nolint:bodyclose // b.close below
	a.op.BytesOut += out
	if err != nil {
		if p, ok := c.nc.(*prefaceConn); ok && p.foreign.Load() {
			err = protocolError("the server does not answer in HTTP/2")
		}
		return c.mux.Err() == nil, inStage("read the answer", err)
	}
	a.op.FirstByte = time.Since(a.op.Started)
	fields := headerFields(resp.Header)
	a.op.BytesIn += fields.size()
	a.op.Status = resp.StatusCode
	a.sc.answer = answer{status: resp.StatusCode, fields: fields}
	b := &streamBody{r: resp.Body, in: &a.op.BytesIn}
	none := m.method == "HEAD" || resp.StatusCode == 204 || resp.StatusCode == 304
	err = a.readBody(b, none, m.keepBody)
	b.close()
	if err != nil {
		if ended := dctx.Err(); ended != nil && !errors.As(err, new(checkError)) {
			err = ended // HTTP/3 only says that the stream was cancelled
		}
		return c.mux.Err() == nil, inStage("read the body", err)
	}
	return true, nil
}

// unprocessed is true when the server said, or the connection knows, that a
// request was not looked at: it came too late for a connection that was being
// closed (RFC 9113 section 8.7,
// RFC 9114 section 5.2). Some of these errors have no type.
func unprocessed(err error) bool {
	var s streamError
	if errors.As(err, &s) {
		const refusedStream = 7
		return s.Code == refusedStream
	}
	var h3 *http3.Error
	if errors.As(err, &h3) {
		return h3.Remote && h3.ErrorCode == http3.ErrCodeRequestRejected
	}
	text := err.Error()
	return strings.Contains(text, "conn unusable: ") || strings.HasSuffix(text, "Transport received Server's graceful shutdown GOAWAY") ||
		strings.HasSuffix(text, "client conn not usable")
}

// headerFields are the fields of an answer over HTTP/2 or 3.
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

// An streamBody reads the body of an answer over HTTP/2 or 3 in pieces.
type streamBody struct {
	r   io.ReadCloser
	in  *int64
	buf *[]byte
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	*b.in += int64(n)
	return n, err
}

func (b *streamBody) next() ([]byte, error) {
	if b.buf == nil {
		b.buf = largeBuffers.Get().(*[]byte)
	}
	n, err := b.Read(*b.buf)
	if n > 0 {
		err = nil
	}
	return (*b.buf)[:n], err
}

func (b *streamBody) close() {
	_ = b.r.Close()
	if b.buf != nil {
		largeBuffers.Put(b.buf)
		b.buf = nil
	}
}
