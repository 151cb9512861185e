package http

import (
	"net"
	"strconv"
	"time"
)

// roundTripH1 writes a request and reads its answer over HTTP/1.1. keep is
// true when the connection can carry another request. With errPause it waits for
// the answer, and is to be called again.
func (a *attempt) roundTripH1(c *conn, m *message) (keep bool, err error) {
	sc, out, w := a.sc, &a.sc.sending, &a.sc.wire
	var rest []byte
	var expects bool
	if !a.waiting {
		rest, expects = sc.encode(m, a.s.g.keepAlive && !m.close)
		a.start()
	}
	resumed := a.waiting
	a.waiting = false
	if err := a.s.arm(c.nc, a.deadline); err != nil {
		if !resumed {
			err = untaken{err, false}
		}
		return false, inStage("use the connection", err)
	}
	defer a.s.disarm()

	w.reset(c.nc)
	if !resumed {
		a.before = c.stream.handed.Load()
		*out = sending{patience: a.s.g.continueWait}
		out.begin(c.nc, sc.out, rest, expects)
	}
	if a.mayPause && out.done == nil && out.whole {
		if a.waiting, err = a.awaitSoon(w, resumed); a.waiting {
			return false, errPause
		}
	}
	if err == nil {
		keep, err = a.answerH1(w, m, out)
	}
	whole := out.end(c.nc)
	a.op.BytesOut += out.sent
	a.op.BytesIn += w.read
	if err != nil && w.read == 0 && !isTimeout(err) {
		begun, proven := c.stream.untaken(a.before, err, out.err)
		if out.err != nil {
			err = inStage("send the request", out.err)
		}
		if proven {
			err = untaken{err, begun}
		}
	}
	return keep && whole && !m.close, err
}

// awaitSoon waits a short time for the answer's first bytes. pause is true when
// they did not come and there is time left to wait for them.
func (a *attempt) awaitSoon(w *wire, resumed bool) (pause bool, err error) {
	s, nc := a.s, a.loan.c.nc
	wait := shortWait
	if !resumed {
		if wait = s.g.shortWait; s.paused.slow {
			return true, nil
		}
	}
	soon := time.Now().Add(wait)
	if !soon.Before(a.deadline) {
		return false, nil
	}
	if err := s.limit(nc, soon); err != nil {
		return false, inStage("read the answer", err)
	}
	if err := w.fill(); err != nil {
		return isTimeout(err) && s.goesOn(a.deadline), inStage("read the answer", err)
	}
	return false, inStage("read the answer", s.limit(nc, a.deadline))
}

// answerH1 reads the answer, while the request may still be on its way out.
func (a *attempt) answerH1(w *wire, m *message, out *sending) (keep bool, err error) {
	for {
		if err := w.readHead(); err != nil {
			return false, inStage("read the answer", err)
		}
		if w.head.status >= 200 {
			break
		}
		switch w.head.status {
		case 100:
			out.permit()
		case 101:
			return false, inStage("read the answer", protocolError("the server switched protocols unasked"))
		}
	}
	a.op.FirstByte = w.first.Sub(a.op.Started)
	if keep, err = w.begin(m.method); err != nil {
		return false, inStage("read the answer", err)
	}
	a.op.Status = w.head.status
	a.sc.answer = answer{status: w.head.status, fields: &w.head}
	if err := a.readBody(w, w.ended, m.keepBody); err != nil {
		return false, inStage("read the body", err)
	}
	return keep && !w.leftover(), nil
}

// encode writes the request's header into sc.out, and the body behind it when
// it is small. It returns what is left to send of the body, and whether that
// waits for a 100 Continue.
func (sc *scratch) encode(m *message, keepAlive bool) (rest []byte, expects bool) {
	out := append(sc.out[:0], m.method...)
	out = append(out, ' ')
	if m.proxy != nil {
		// A proxy is told the whole URL (RFC 9112 section 3.2.2).
		out = append(append(out, "http://"...), m.endpoint.authority...)
	}
	out = append(out, m.target...)
	out = append(out, " HTTP/1.1\r\n"...)
	host := true
	for i := range sc.fields {
		if sc.fields[i].name == "Host" && !m.foreign {
			host = false
		}
	}
	if host {
		out = append(out, "Host: "...)
		out = append(out, m.endpoint.authority...)
		out = append(out, "\r\n"...)
	}
	if m.proxy != nil && m.proxy.authorization != "" {
		out = append(append(append(out, "Proxy-Authorization: "...), m.proxy.authorization...), "\r\n"...)
	}
	cookies := m.cookies
	for i := range sc.fields {
		f := &sc.fields[i]
		if m.skips(f) {
			continue
		}
		out = append(out, f.name...)
		out = append(out, ": "...)
		out = append(out, f.value...)
		if f.name == "Cookie" && cookies != "" {
			out = append(append(out, "; "...), cookies...)
			cookies = ""
		}
		out = append(out, "\r\n"...)
		expects = expects || f.name == "Expect" && equalFold(f.value, "100-continue")
	}
	if cookies != "" {
		out = append(out, "Cookie: "...)
		out = append(out, cookies...)
		out = append(out, "\r\n"...)
	}
	if len(m.body) > 0 || m.method == "POST" || m.method == "PUT" || m.method == "PATCH" {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, int64(len(m.body)), 10)
		out = append(out, "\r\n"...)
	}
	if !keepAlive {
		out = append(out, "Connection: close\r\n"...)
	}
	sc.out = append(out, "\r\n"...)
	if !expects && len(m.body) <= joinedBody {
		sc.out = append(sc.out, m.body...)
		return nil, false
	}
	return m.body, expects && len(m.body) > 0
}

// skips is true for a field that a redirected request does not carry, or that
// says to a proxy what is said already.
func (m *message) skips(f *renderedField) bool {
	if m.proxy != nil && m.proxy.authorization != "" && f.name == "Proxy-Authorization" {
		return true
	}
	return f.ofBody && m.dropBody || m.foreign && (f.private || f.name == "Host")
}

// Bodies up to joinedBody are written together with the header; those past
// parallelBody while the answer is read, as a server may answer before it has
// read them and then neither side would get on.
const (
	joinedBody   = 16 << 10
	parallelBody = 128 << 10
)

// continueWait is how long a body waits for the 100 Continue that its request
// asked for. Servers that do not know the wish never send one.
const continueWait = time.Second

// A sending is a request on its way out.
type sending struct {
	sent int64
	err  error

	patience time.Duration // how long the body waits for leave

	done    chan struct{} // nil when all of it was done at once
	permits chan bool     // says whether the body goes out; nil when it need not wait
	whole   bool
}

// begin writes a request: at once, or in a goroutine that end waits for.
func (o *sending) begin(nc net.Conn, head, body []byte, expects bool) {
	if !expects && len(body) <= parallelBody {
		o.whole = o.write(nc, head) && (len(body) == 0 || o.write(nc, body))
		return
	}
	o.done = make(chan struct{})
	if expects {
		o.permits = make(chan bool, 1)
	}
	go func() {
		defer close(o.done)
		if o.write(nc, head) && o.mayGoOn() {
			o.whole = o.write(nc, body)
		}
	}()
}

func (o *sending) write(nc net.Conn, b []byte) bool {
	n, err := nc.Write(b)
	o.sent += int64(n)
	o.err = err
	return err == nil
}

// mayGoOn waits for leave to send the body.
func (o *sending) mayGoOn() bool {
	if o.permits == nil {
		return true
	}
	t := time.NewTimer(o.patience)
	defer t.Stop()
	select {
	case ok := <-o.permits:
		return ok
	case <-t.C:
		return true
	}
}

// permit lets the body go out.
func (o *sending) permit() { o.decide(true) }

func (o *sending) decide(ok bool) {
	if o.permits == nil {
		return
	}
	select {
	case o.permits <- ok:
	default:
	}
}

// end stops what is still being written: the answer is there, or will never
// be. It returns whether the whole request went out.
func (o *sending) end(nc net.Conn) bool {
	if o.done == nil {
		return o.whole
	}
	o.decide(false)
	select {
	case <-o.done:
	default:
		_ = nc.SetWriteDeadline(aLongTimeAgo())
		<-o.done
		if isTimeout(o.err) {
			o.err = nil // that was this deadline: why it is over, reading has told
		}
	}
	return o.whole
}
