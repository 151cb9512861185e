package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// answer reads responses, as the requests say that they come.
func (s *stream) answer() error {
	t := &s.link.talk
	if t.come() == talkTaken {
		// The upstream stream speaks for both, and ends the link.
		<-t.yielded
		return nil
	}
	for {
		if len(s.source.bytes()) == 0 {
			switch err := s.source.fill(t.released); {
			case errors.Is(err, io.EOF):
				return s.finish()
			case err != nil:
				return err
			}
			continue
		}
		x := t.first()
		if x == nil { // nobody asked: a server's goodbye, or its welcome
			if err := s.flush(); err != nil {
				return err
			}
			if t.released() {
				return os.ErrDeadlineExceeded
			}
			continue
		}
		h, err := parseResponse(s.source.bytes())
		if errors.Is(err, errShort) {
			if err = s.source.fill(nil); err == nil {
				continue
			}
		}
		if err == nil {
			err = s.response(x, h)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return s.finish()
		case errors.Is(err, errNotHTTP), errors.Is(err, errFull):
			return t.giveUp(s)
		default:
			return err
		}
	}
}

// response deals with one response, whose head is at the start of the source.
// A switch of protocols ends reading along.
func (s *stream) response(x *exchange, h head) error {
	switch {
	case h.status == http.StatusSwitchingProtocols, x.method == http.MethodConnect && h.status/100 == 2:
		if err := s.forward(h.size, framing{}); err != nil {
			return err
		}
		return s.link.talk.giveUp(s)
	case h.status < 200:
		return s.forward(h.size, framing{})
	}
	body := h.responseBody(x.method)
	var err error
	if x.answer.none() {
		err = s.forward(h.size, body)
	} else {
		err = s.patch(x.answer, h, body, false)
	}
	if err != nil {
		return err
	}
	return s.link.talk.pop(s)
}
