package http

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/brunt-dev/brunt/generators"
)

// An endpoint is where a request goes: everything of a URL but path and query.
type endpoint struct {
	tls       bool
	authority string // the Host field's value: the port only when it is not the scheme's own
	host      string // without port and brackets
	addr      string // host:port
}

func (e endpoint) scheme() string {
	if e.tls {
		return "https"
	}
	return "http"
}

// newEndpoint reads a scheme and an authority (host, or host:port).
func newEndpoint(scheme, authority string) (endpoint, error) {
	var e endpoint
	port := "80"
	switch strings.ToLower(scheme) {
	case "http":
	case "https":
		e.tls, port = true, "443"
	case "":
		return e, errors.New("a URL needs http:// or https:// in front, or base has to be set")
	default:
		return e, fmt.Errorf("scheme %q is not http or https", scheme)
	}
	u, err := url.Parse("//" + authority)
	if err != nil {
		return e, fmt.Errorf("%q is not a host or host:port", authority)
	}
	e.host = u.Hostname()
	if e.host == "" {
		return e, fmt.Errorf("%q names no host", authority)
	}
	if u.User != nil {
		return e, fmt.Errorf("a name or password in %q is not sent: set an Authorization header instead", u.Redacted())
	}
	for i := 0; i < len(e.host); i++ {
		if e.host[i] >= 0x80 {
			return e, fmt.Errorf("host %q has characters outside ASCII: write its xn-- form", e.host)
		}
	}
	if _, err := netip.ParseAddr(e.host); err != nil {
		// Names compare without case and without the root's dot.
		e.host = strings.TrimSuffix(strings.ToLower(e.host), ".")
	}
	e.authority = e.host
	if strings.Contains(e.host, ":") {
		e.authority = "[" + e.host + "]"
	}
	if p := u.Port(); p != "" && p != port {
		e.authority += ":" + p
		port = p
	}
	e.addr = net.JoinHostPort(e.host, port)
	return e, nil
}

// A link is the place a request goes to, as far as it is known beforehand.
type link struct {
	fixed    *endpoint            // nil when the host itself is a template
	template *generators.Template // of the path and query, or of the whole URL when fixed is nil
	constant string               // the path and query when they are the same for all arrivals
	query    []pair               // parameters to add
}

// A pair is a name and the template of its value.
type pair struct {
	name  string
	value *generators.Template
}

// newLink joins base and ref and finds out what is constant about them.
func newLink(base, ref string) (link, error) {
	full := ref
	if _, _, absolute := cutScheme(ref); base != "" && !absolute && !strings.HasPrefix(ref, "${") {
		full = strings.TrimSuffix(base, "/")
		if !strings.HasPrefix(ref, "/") && !strings.HasPrefix(ref, "?") && ref != "" {
			full += "/"
		}
		full += ref
	}
	full, _, _ = strings.Cut(full, "#")

	var l link
	scheme, rest, absolute := cutScheme(full)
	if strings.HasPrefix(full, "${") || absolute && strings.Contains(scheme+authorityOf(rest), "${") {
		t, err := generators.ParseTemplate(full)
		if err != nil {
			return l, err
		}
		if whole, constant := t.Constant(); constant {
			return l, fmt.Errorf("%q cannot be a URL: no host holds braces", whole)
		}
		l.template = t
		return l, nil
	}
	if !absolute {
		return l, errors.New("a path needs base to be set; a URL needs http:// or https:// in front")
	}
	authority := authorityOf(rest)
	e, err := newEndpoint(scheme, authority)
	if err != nil {
		return l, err
	}
	l.fixed = &e
	t, err := generators.ParseTemplate(originForm(rest[len(authority):]))
	if err != nil {
		return l, err
	}
	if c, ok := t.Constant(); ok {
		l.constant = string(appendClean(nil, []byte(c)))
	} else {
		l.template = t
	}
	return l, nil
}

// cutScheme takes the scheme off a URL; ok is false for a path, which may hold
// "://" further on.
func cutScheme(u string) (scheme, rest string, ok bool) {
	i := strings.Index(u, "://")
	if i <= 0 || strings.ContainsAny(u[:i], "/?#") {
		return "", u, false
	}
	return u[:i], u[i+3:], true
}

// authorityOf is what stands before the path.
func authorityOf(rest string) string {
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// originForm gives a path and query the slash that they need.
func originForm(s string) string {
	if !strings.HasPrefix(s, "/") {
		return "/" + s
	}
	return s
}

// split takes a whole URL apart into its endpoint and its path and query.
func split(whole string) (endpoint, string, error) {
	whole, _, _ = strings.Cut(whole, "#")
	scheme, rest, absolute := cutScheme(whole)
	if !absolute {
		return endpoint{}, "", fmt.Errorf("%q is not a URL", whole)
	}
	authority := authorityOf(rest)
	e, err := newEndpoint(scheme, authority)
	return e, originForm(rest[len(authority):]), err
}

const upperHex = "0123456789ABCDEF"

// appendClean appends a path and query with every byte escaped that a request
// line cannot hold. What is escaped already stays as it is.
func appendClean(dst, s []byte) []byte {
	for _, c := range s {
		switch {
		case c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendURLValue appends the value of an expression within a URL, escaped for
// where it stands: at the very start it is a URL itself and stays as it is;
// in the path it may hold slashes; in the query nothing but a value.
func appendURLValue(dst []byte, value string) []byte {
	if len(dst) == 0 {
		return append(dst, value...)
	}
	allowed := "/:@!$'()*,;=&+"
	for _, c := range dst {
		if c == '?' {
			allowed = ""
			break
		}
	}
	return appendEscaped(dst, value, allowed)
}

// appendQueryValue appends a name or value of a query or form, escaped.
func appendQueryValue(dst []byte, value string) []byte { return appendEscaped(dst, value, "") }

// appendEscaped escapes all but the unreserved characters of RFC 3986 and
// those allowed besides.
func appendEscaped(dst []byte, value, allowed string) []byte {
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == '.', c == '~', strings.IndexByte(allowed, c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
