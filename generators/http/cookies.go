package http

import (
	nethttp "net/http"
	"net/http/cookiejar"
)

// cookies is the Cookie field for a message, "" for none.
func (s *session) cookies(m *message) string {
	if s.jar == nil {
		return ""
	}
	r := nethttp.Request{Header: nethttp.Header{}}
	for _, c := range s.jar.Cookies(m.url()) {
		r.AddCookie(c)
	}
	return r.Header.Get("Cookie")
}

// keepCookies keeps those of the answer to a message.
func (s *session) keepCookies(m *message, a *answer) error {
	var cookies []*nethttp.Cookie
	a.fields.each("Set-Cookie", func(line string) {
		if c, err := nethttp.ParseSetCookie(line); err == nil {
			cookies = append(cookies, c)
		}
	})
	if len(cookies) == 0 {
		return nil
	}
	if s.jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return localError{err}
		}
		s.jar = jar
	}
	s.jar.SetCookies(m.url(), cookies)
	return nil
}
