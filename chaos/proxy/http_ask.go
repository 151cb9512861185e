package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
)

// maxDrained bounds the body of an aborted request that is read, so that the
// connection can go on; for more, it is closed instead.
const maxDrained = 256 << 10

// converse reads along. It returns as shape does.
func (s *stream) converse() error {
	if s.way == downstream {
		return s.answer()
	}
	if s.link.talk.is(talkOn) {
		return s.requests()
	}
	return s.seek()
}

// What a connection's bytes look like.
type spoken int

const (
	unsure spoken = iota // too few of them
	http1
	http2
	secure
	other
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// hear says what a client speaks, by what it said first or, on a connection
// that is not new, by a read that may begin a request. To be unsure is to hold
// up the bytes; only with enough of them to be nearly sure is that done on a
// connection that is not new.
func hear(b []byte, fresh bool) spoken {
	if fresh {
		switch {
		case len(b) >= len(preface) && string(b[:len(preface)]) == preface:
			return http2
		case len(b) < len(preface) && strings.HasPrefix(preface, string(b)):
			return unsure
		case len(b) >= 2 && b[0] == 0x16 && b[1] == 3:
			return secure
		case len(b) == 1 && b[0] == 0x16:
			return unsure
		}
	}
	_, err := parseRequest(b)
	switch {
	case err == nil:
		return http1
	case !errors.Is(err, errShort):
		return other
	}
	line, _, whole := bytes.Cut(b, []byte("\r\n"))
	if !whole {
		method, _, _ := bytes.Cut(line, []byte(" "))
		if fresh && len(line) < maxHead/2 && isToken(method) && len(method) <= 20 && string(method) == strings.ToUpper(string(method)) && isText(bytes.TrimRight(line, "\r")) {
			return unsure
		}
		return other
	}
	if _, err := parseRequest(append(line[:len(line):len(line)], "\r\n\r\n"...)); err != nil {
		return other
	}
	return unsure
}

// seek passes on what it reads until a request begins, or the connection turns
// out to be one that cannot be read.
func (s *stream) seek() error {
	t := &s.link.talk
	stop := func() bool { return !t.wants(s) }
	for more := len(s.source.bytes()) == 0; ; {
		if more {
			switch err := s.source.fill(stop); {
			case errors.Is(err, io.EOF):
				return s.finish()
			case err != nil && !errors.Is(err, errFull):
				return err
			}
		}
		more = true
		set := s.link.proxy.toxics()
		what := hear(s.source.bytes(), !s.begun)
		forger := set.forger(s.link.id)
		if s.begun {
			forger = nil
		}
		if what == secure && forger != nil {
			return s.forge(forger)
		}
		if forger != nil && what != unsure {
			forger.tls.missed.Add(1)
		}
		if what == unsure && len(s.source.bytes()) < maxHead {
			continue
		}
		if !set.readsHTTP() {
			s.begun = true
			return os.ErrDeadlineExceeded
		}
		switch {
		case what == http1 && t.join(s, talkOn):
			s.begun = true
			return s.requests()
		case what == http2 && !s.begun && t.join(s, talkTaken):
			s.begun = true
			return s.http2()
		case !s.begun || what == http1:
			s.begun = true
			for _, a := range set {
				if a.rule != nil {
					a.rule.closed.Add(1)
				}
			}
			return t.giveUp(s)
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// flush passes on what was read ahead.
func (s *stream) flush() error {
	ahead := s.source.bytes()
	if len(ahead) == 0 {
		return nil
	}
	if s.way == downstream {
		s.link.talk.out.Lock()
		defer s.link.talk.out.Unlock()
	}
	s.begun = true
	s.source.take(len(ahead))
	return s.send(ahead)
}

// finish passes on what was read ahead, and the stream's end.
func (s *stream) finish() error {
	if err := s.flush(); err != nil {
		return err
	}
	if s.way == downstream {
		s.link.talk.out.Lock()
		defer s.link.talk.out.Unlock()
	}
	return s.sendEnd()
}

// requests reads requests, one after the other.
func (s *stream) requests() error {
	t := &s.link.talk
	for {
		b := s.source.bytes()
		if len(b) == 0 {
			switch err := s.source.fill(func() bool { return t.leave(s) }); {
			case errors.Is(err, io.EOF):
				return s.finish()
			case err != nil:
				return err
			}
			continue
		}
		if !t.is(talkOn) {
			return os.ErrDeadlineExceeded
		}
		if b[0] == '\r' || b[0] == '\n' { // some clients send one more line end than they should
			s.source.take(1)
			if err := s.send(b[:1]); err != nil {
				return err
			}
			continue
		}
		h, err := parseRequest(b)
		if errors.Is(err, errShort) {
			if err = s.source.fill(nil); err == nil {
				continue
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.finish()
		case errors.Is(err, errNotHTTP), errors.Is(err, errFull):
			return t.giveUp(s)
		case err != nil:
			return err
		}
		err = s.request(h)
		switch {
		case errors.Is(err, io.EOF): // in the middle of a request
			return s.finish()
		case errors.Is(err, errNotHTTP):
			return t.giveUp(s)
		case err != nil || s.closed:
			return err
		}
	}
}

// path is the path that a request is about.
func (h head) path() string {
	if _, rest, ok := strings.Cut(h.target, "://"); ok && !strings.HasPrefix(h.target, "/") {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			return rest[slash:]
		}
		return "/"
	}
	return h.target
}

// request deals with one request, whose head is at the start of the source.
func (s *stream) request(h head) error {
	v := s.link.proxy.toxics().judge(h.method, h.path(), false)
	if v.delay(s.link.dead); s.link.isDead() {
		return errDead
	}
	if v.abort != nil {
		return s.abort(h, v.abort.rule)
	}
	ask, answer := v.changes()
	if answer.replaces() { // what is to be replaced must come as it is
		ask.patches = append(ask.patches, &Patch{Set: map[string]string{"Accept-Encoding": "identity"}})
	}
	settled := make(chan struct{})
	x := &exchange{method: h.method, answer: answer, settled: settled}
	if on, err := s.link.talk.push(s, x); !on || err != nil {
		return errors.Join(err, os.ErrDeadlineExceeded)
	}
	var err error
	if ask.none() {
		err = s.forward(h.size, h.requestBody())
	} else {
		err = s.patch(ask, h, h.requestBody(), h.expects)
	}
	if err != nil || !h.upgrade && h.method != http.MethodConnect {
		return err
	}
	select { // what comes next may not be a request
	case <-settled:
		return nil
	case <-s.link.dead:
		return errDead
	}
}

// abort answers a request that never reaches the upstream.
func (s *stream) abort(h head, r *rule) error {
	body := h.requestBody()
	closes := !h.persists() || h.expects || body.kind == chunks || body.left > maxDrained || h.upgrade || h.method == http.MethodConnect
	r.aborted.Add(1) // before it can be seen
	on, err := s.link.talk.push(s, &exchange{method: h.method, reply: r.reply(h, closes)})
	if !on || err != nil {
		r.aborted.Add(-1)
		return errors.Join(err, os.ErrDeadlineExceeded)
	}
	s.source.take(h.size)
	if closes {
		s.closed = true
		return s.hangUp()
	}
	for {
		b := s.source.bytes()
		n, done, err := body.next(b, nil)
		s.source.take(n)
		if err != nil || done {
			return err
		}
		if err := s.source.fill(nil); err != nil {
			return err
		}
	}
}

// hangUp ends the connection after a reply: the upstream is told that no more
// requests come, and what the client still sends is thrown away until it has
// read the reply and closes.
func (s *stream) hangUp() error {
	if err := s.sendEnd(); err != nil {
		return err
	}
	for {
		s.source.take(len(s.source.bytes()))
		switch err := s.source.fill(nil); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// forward passes on a message: size bytes of head, and its body.
func (s *stream) forward(size int, body framing) error {
	for {
		b := s.source.bytes()
		n, done, err := body.next(b[size:], nil)
		if err == nil || size > 0 {
			out := b[:size+n]
			s.source.take(len(out))
			if err := s.say(out); err != nil {
				return err
			}
		}
		if err != nil || done {
			return err
		}
		size = 0
		if err := s.source.fill(nil); err != nil {
			return err
		}
	}
}

// say sends in turn with the replies that the proxy makes up.
func (s *stream) say(b []byte) error {
	if s.way == downstream {
		s.link.talk.out.Lock()
		defer s.link.talk.out.Unlock()
	}
	return s.send(b)
}

// patch passes on a message that is to be changed. Where the body cannot be,
// the message passes as it is.
func (s *stream) patch(c change, h head, body framing, expects bool) error {
	hasBody := body.kind != none
	if !c.body() || !hasBody {
		length := -1
		if !hasBody && h.status != 0 && (h.status == 204 || h.status == 304) {
			length = 0 // whatever its status says now
		}
		out := c.head(s.source.bytes()[:h.size], h, length)
		s.source.take(h.size)
		c.done() // before it can be seen
		if err := s.say(out); err != nil {
			return err
		}
		return s.forward(0, body)
	}
	if c.replaces() && h.encoded || h.coded || expects || body.left > maxPatchedBody {
		c.missed()
		return s.forward(h.size, body)
	}
	raw := bytes.Clone(s.source.bytes()[:h.size])
	s.source.take(h.size)
	var text []byte
	for {
		n, done, err := body.next(s.source.bytes(), func(part []byte) { text = append(text, part...) })
		raw = append(raw, s.source.bytes()[:n]...)
		s.source.take(n)
		if err == nil && !done && len(raw) <= maxPatchedBody+maxHead {
			err = s.source.fill(nil)
			if err == nil {
				continue
			}
			if errors.Is(err, io.EOF) && body.kind == untilEnd {
				err, done = nil, true
			}
		}
		if err != nil || !done {
			c.missed()
			if sending := s.say(raw); sending != nil || err != nil {
				return errors.Join(err, sending)
			}
			return s.forward(0, body)
		}
		break
	}
	text = c.text(text)
	c.done() // before it can be seen
	return s.say(append(c.head(raw[:h.size], h, len(text)), text...))
}
