package http

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/brunt-dev/brunt/generators"
)

// A renderedField is a header field as it will be sent.
type renderedField struct {
	*headerField
	value []byte
}

// A message is one request on its way to one endpoint.
type message struct {
	method   string
	endpoint endpoint
	target   []byte
	body     []byte
	dropBody bool   // a redirect took it away
	foreign  bool   // another host than the first: nothing private
	cookies  string // of the session's jar
	keepBody bool   // of the answer
	close    bool   // the connection carries no request after this one
	proxy    *proxy // that the message is handed to, nil for none
}

// render makes the first message of a request.
func (sc *scratch) render(m *message, r *request, base string, scope generators.Scope) error {
	m.method, m.keepBody = r.method, r.keepBody
	if err := sc.renderTarget(m, &r.link, base, scope); err != nil {
		return fmt.Errorf("make the URL: %w", err)
	}
	sc.fields, sc.values = sc.fields[:0], sc.values[:0]
	for i := range r.headers {
		h := &r.headers[i]
		if h.template == nil {
			sc.fields = append(sc.fields, renderedField{h, h.constant})
			continue
		}
		start := len(sc.values)
		var err error
		if sc.values, err = h.template.Append(sc.values, scope); err != nil {
			return fmt.Errorf("make header %s: %w", h.name, err)
		}
		// Later growth moves the buffer but leaves this part as it is.
		value := sc.values[start:len(sc.values):len(sc.values)]
		if !validFieldValue(value) {
			return fmt.Errorf("make header %s: the value holds a line break or a control character", h.name)
		}
		sc.fields = append(sc.fields, renderedField{h, value})
	}
	if r.body.isConstant {
		m.body = r.body.constant
		return nil
	}
	var err error
	if sc.body, err = r.body.append(sc.body[:0], sc.tmp, scope); err != nil {
		return fmt.Errorf("make the body: %w", err)
	}
	m.body = sc.body
	return nil
}

func (sc *scratch) renderTarget(m *message, l *link, base string, scope generators.Scope) error {
	raw := append(sc.tmp[:0], l.constant...)
	if l.template != nil {
		var err error
		if raw, err = l.template.AppendEscaped(raw, scope, appendURLValue); err != nil {
			return err
		}
	}
	sc.tmp = raw
	if l.fixed != nil {
		m.endpoint = *l.fixed
	} else {
		whole := string(raw)
		if strings.HasPrefix(whole, "/") && base != "" {
			whole = strings.TrimSuffix(base, "/") + whole
		}
		e, path, err := split(whole)
		if err != nil {
			return err
		}
		m.endpoint = e
		raw = append(raw[:0], path...)
		sc.tmp = raw
	}
	if len(l.query) > 0 {
		var err error
		if raw, err = l.appendQuery(raw, nil, scope); err != nil {
			return err
		}
		sc.tmp = raw
	}
	if l.fixed != nil && l.template == nil && len(l.query) == 0 {
		sc.target = append(sc.target[:0], raw...) // clean already
	} else {
		sc.target = appendClean(sc.target[:0], raw)
	}
	m.target = sc.target
	return nil
}

// appendQuery appends the parameters that a step adds.
func (l *link) appendQuery(dst, tmp []byte, scope generators.Scope) ([]byte, error) {
	sep := byte('?')
	for _, c := range dst {
		if c == '?' {
			sep = '&'
		}
	}
	for _, p := range l.query {
		dst = append(dst, sep)
		sep = '&'
		dst = append(appendQueryValue(dst, p.name), '=')
		text, err := p.value.Append(tmp[:0], scope)
		if err != nil {
			return dst, err
		}
		dst = appendQueryValue(dst, string(text))
	}
	return dst, nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect turns a message into the one that a redirect asks for.
func (m *message) redirect(status int, location string) error {
	ref, err := url.Parse(location)
	if err != nil {
		return protocolError("malformed Location " + excerpt(location))
	}
	to := m.url().ResolveReference(ref)
	if m.endpoint, err = newEndpoint(to.Scheme, to.Host); err != nil {
		return protocolError("Location " + excerpt(location) + ": " + err.Error())
	}
	m.target = appendClean(nil, []byte(to.RequestURI()))
	if status == 307 || status == 308 {
		return nil
	}
	if m.method != "GET" && m.method != "HEAD" {
		m.method = "GET"
	}
	m.body, m.dropBody = nil, true
	return nil
}

// url is where a message goes.
func (m *message) url() *url.URL {
	u := &url.URL{Scheme: m.endpoint.scheme(), Host: m.endpoint.authority}
	if p, err := url.Parse(string(m.target)); err == nil && p.Host == "" {
		u.Path, u.RawPath, u.RawQuery, u.ForceQuery = p.Path, p.RawPath, p.RawQuery, p.ForceQuery
	} else {
		// What does not parse is sent as it is.
		u.Opaque = string(m.target)
	}
	return u
}

// repeatable is true for requests that do no harm when they are done twice. A
// server that closed only its own side of a connection may still read.
func repeatable(m *message, fields []renderedField) bool {
	switch m.method {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	for _, f := range fields {
		if f.name == "Idempotency-Key" || f.name == "X-Idempotency-Key" {
			return true
		}
	}
	return false
}
