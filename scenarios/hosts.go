package scenarios

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A guard says which addresses belong to the target. Nothing outside it is
// ever loaded or broken. It does not change after it was made and may be
// asked from any goroutine.
type guard struct {
	patterns []hostPattern
}

// A hostPattern is one entry of target.hosts:
//
//	shop.example        that host, any port
//	shop.example:443    that host and port
//	*.shop.svc          every host below shop.svc, any port
//	*.shop.svc:8080     the same, that port
//	10.1.0.0/16         every address in the network, any port
//	[::1]:8080, ::1     IPv6
//	unix:/run/app.sock  that Unix socket; unix:@name an abstract one
type hostPattern struct {
	text   string
	suffix bool
	host   string // lower case, no trailing dot
	port   string // "": any
	prefix netip.Prefix
	socket string // "unix:" and the path, for a Unix socket; the rest is then empty

	implied bool // of the stack, a proxy or a resolver, not in target.hosts
}

// parseHostPattern reads one entry of target.hosts. The error says what is
// wrong and the hint what to write.
func parseHostPattern(text string) (hostPattern, *textError) {
	p := hostPattern{text: text}
	fail := func(message, hint string) (hostPattern, *textError) {
		return hostPattern{}, &textError{0, max(1, len(text)), message, hint}
	}
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return fail("a host is a name without spaces", "write shop.example, shop.example:443, *.shop.svc or 10.1.0.0/16")
	}
	if socket, ok := socketOf(text); ok {
		p.socket = socket
		return p, nil
	}
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if !strings.Contains(host, ":") {
			host += map[string]string{"https": ":443", "http": ":80"}[scheme]
		}
		return fail("a host, not a URL, is wanted here", "write "+host)
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		p.prefix = prefix.Masked()
		return p, nil
	}
	if strings.Contains(text, "/") {
		return fail(strconv.Quote(text)+" is neither a host nor a network", "write shop.example, shop.example:443 or 10.1.0.0/16")
	}
	host := text
	if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		p.host = canonicalHost(text)
		return p, nil
	}
	if h, port, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fail(strconv.Quote(port)+" is not a port", "a port is a number from 1 to 65535")
		}
		host, p.port = h, strconv.FormatUint(n, 10)
	} else if strings.ContainsAny(text, ":[]") {
		return fail(strconv.Quote(text)+" is neither a host nor a host and port", "write shop.example:443, or [::1]:8080")
	}
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		p.suffix, host = true, rest
	}
	if host == "*" {
		return fail("* would allow every host there is", "name the hosts: shop.example, *.shop.svc, 10.1.0.0/16")
	}
	p.host = canonicalHost(host)
	if strings.Contains(p.host, "*") {
		return fail("* stands for whole labels at the front only", "write *.shop.svc")
	}
	if p.host == "" {
		return fail("the host is missing", "write shop.example, shop.example:443, *.shop.svc or 10.1.0.0/16")
	}
	return p, nil
}

// socketOf is the one way to write a Unix socket, with its unix: in front;
// false for anything else, such as a port of a host called unix.
func socketOf(text string) (string, bool) {
	name, ok := strings.CutPrefix(text, "unix:")
	switch {
	case ok && strings.HasPrefix(name, "/"):
		return "unix:" + path.Clean(name), true
	case ok && strings.HasPrefix(name, "@"):
		return text, true
	}
	return "", false
}

func (p hostPattern) match(host, port string) bool {
	if p.socket != "" {
		return false
	}
	if p.port != "" && p.port != port {
		return false
	}
	if p.prefix.IsValid() {
		a, err := netip.ParseAddr(host)
		return err == nil && p.prefix.Contains(a.Unmap().WithZone(""))
	}
	if p.suffix {
		return strings.HasSuffix(host, "."+p.host)
	}
	return host == p.host
}

// canonicalHost folds what names the same host: case, a trailing dot,
// brackets, and the ways to write one IPv6 address.
func canonicalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	return host
}

// Allow refuses an address outside the target: "host:port", a bare host, or
// "unix:" and the path of a socket.
func (g *guard) Allow(address string) error {
	if socket, ok := socketOf(address); ok {
		if slices.ContainsFunc(g.patterns, func(p hostPattern) bool { return p.socket == socket }) {
			return nil
		}
		return g.refuse(address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, ""
	}
	host = canonicalHost(host)
	for _, p := range g.patterns {
		if p.match(host, port) {
			return nil
		}
	}
	return g.refuse(address)
}

// refuse says why an address is refused.
func (g *guard) refuse(address string) error {
	if len(g.patterns) == 0 {
		return fmt.Errorf("%s is outside the target: target.hosts is empty", address)
	}
	return fmt.Errorf("%s is outside the target: target.hosts allows %s", address, strings.Join(g.list(), ", "))
}

// declared reports whether target.hosts names anything.
func (g *guard) declared() bool {
	return slices.ContainsFunc(g.patterns, func(p hostPattern) bool { return !p.implied })
}

// list is what may be loaded and broken, as written, for people.
func (g *guard) list() []string {
	var out []string
	for _, p := range g.patterns {
		if !slices.Contains(out, p.text) {
			out = append(out, p.text)
		}
	}
	return out
}
