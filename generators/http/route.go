package http

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// A route is how connections get to the hosts of URLs: straight, unless it
// says otherwise. It is shared by all sessions.
type route struct {
	proxy   *proxy // nil for none
	unix    string // path of the socket that stands for every host; "" for none
	source  []netip.Addr
	instead map[string]*detour // by host:port

	sources atomic.Int64 // connections made from source
}

// A detour is the addresses that connections to one host:port go to instead,
// in turn. One that does not answer is not passed over: what goes to it fails.
type detour struct {
	addrs []string
	turn  atomic.Int64
}

func (d *detour) next() string { return d.addrs[int((d.turn.Add(1)-1)%int64(len(d.addrs)))] }

// newRoute reads what a configuration says about the way, and reports what is
// wrong with it.
func newRoute(c Config, report func(field, message, hint string)) *route {
	r := &route{unix: c.Unix}
	r.conflicts(c, report)
	if c.Proxy != "" {
		p, message := parseProxy(c.Proxy)
		if message != "" {
			report("proxy", message, "write http://host:port or socks5://host:port, with user:password@ before the host if it asks for them")
		}
		r.proxy = p
	}
	if c.Unix != "" {
		switch {
		case !strings.HasPrefix(c.Unix, "/") && !strings.HasPrefix(c.Unix, "@"):
			report("unix", "a socket is named by its whole path", "write /run/app.sock, or @name for an abstract one")
		case len(c.Unix) > maxSocketPath:
			report("unix", fmt.Sprintf("the path of a socket has at most %d bytes, this one has %d", maxSocketPath, len(c.Unix)), "link it from a shorter path")
		}
	}
	for i, text := range c.Source {
		a, err := netip.ParseAddr(text)
		if err != nil {
			report(fmt.Sprintf("source[%d]", i), fmt.Sprintf("%q is not an IP address", text), "write it like 10.0.0.1, without a port")
			continue
		}
		r.source = append(r.source, a.Unmap())
	}
	for _, from := range sortedKeys(c.ConnectTo) {
		key, ok := canonicalAddr(from)
		if !ok {
			report("connect_to", fmt.Sprintf("%q is not host:port", from), "write it like shop.example:443")
			continue
		}
		if len(c.ConnectTo[from]) == 0 {
			report("connect_to."+from, "there is no address to connect to", "list at least one host:port")
			continue
		}
		d := &detour{}
		for _, to := range c.ConnectTo[from] {
			addr, ok := canonicalAddr(to)
			if !ok {
				report("connect_to."+from, fmt.Sprintf("%q is not host:port", to), "write it like 10.1.2.3:443")
				continue
			}
			d.addrs = append(d.addrs, addr)
		}
		if r.instead == nil {
			r.instead = map[string]*detour{}
		}
		if r.instead[key] != nil {
			report("connect_to."+from, "this host:port is given twice", "put all its addresses into one list")
		}
		r.instead[key] = d
	}
	return r
}

// maxSocketPath is what fits the kernel's address of a Unix socket (unix(7)).
const maxSocketPath = 107

// conflicts refuses ways that lead nowhere together.
func (r *route) conflicts(c Config, report func(field, message, hint string)) {
	h3 := c.Protocol == "h3"
	for _, pair := range []struct {
		field, message, hint string
		both                 bool
	}{
		{"unix", "HTTP/3 is spoken over UDP, which a Unix socket does not carry", "use another protocol", h3 && c.Unix != ""},
		{"proxy", "HTTP/3 is spoken over UDP, which the proxy does not carry", "use another protocol", h3 && c.Proxy != ""},
		{"unix", "a Unix socket is not reached through a proxy", "keep one of unix and proxy", c.Unix != "" && c.Proxy != ""},
		{"unix", "all connections go to the Unix socket, so connect_to would do nothing", "keep one of unix and connect_to", c.Unix != "" && len(c.ConnectTo) > 0},
		{"unix", "a Unix socket has no source address", "keep one of unix and source", c.Unix != "" && len(c.Source) > 0},
		{"connect_to", "the proxy makes the connections to the target, so connect_to would do nothing", "keep one of connect_to and proxy", c.Proxy != "" && len(c.ConnectTo) > 0},
	} {
		if pair.both {
			report(pair.field, pair.message, pair.hint)
		}
	}
}

// canonicalAddr is a host:port the way endpoints have it.
func canonicalAddr(s string) (string, bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, " /@") {
		return "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", false
	}
	if _, err := netip.ParseAddr(host); err != nil {
		host = strings.TrimSuffix(strings.ToLower(host), ".")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), host != ""
}

// touches are the addresses that connections to a host:port need leave for.
func (r *route) touches(addr string) []string {
	switch {
	case r.unix != "":
		return []string{"unix:" + r.unix}
	case r.proxy != nil:
		return []string{r.proxy.addr, addr}
	case r.instead[addr] != nil:
		return r.instead[addr].addrs
	}
	return []string{addr}
}

// at is where a connection to addr goes this time.
func (r *route) at(addr string) string {
	if d := r.instead[addr]; d != nil {
		return d.next()
	}
	return addr
}

// from is the source address of the next connection to an address; the zero
// Addr leaves it to the system.
func (r *route) from(to netip.Addr) (netip.Addr, error) {
	if len(r.source) == 0 {
		return netip.Addr{}, nil
	}
	n := int(r.sources.Add(1) - 1)
	for i := range r.source {
		if a := r.source[(n+i)%len(r.source)]; a.Is4() == to.Unmap().Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, localError{fmt.Errorf("no address of source can reach %s, which is of the other IP version", to)}
}

// detoured says, for people, what puts something else than TCP to the target
// between a session and it; "" for nothing.
func (r *route) detoured() string {
	switch {
	case r.unix != "":
		return "a Unix socket"
	case r.proxy != nil:
		return "a proxy"
	}
	return ""
}

// Pairs is over how many pairs of a source address and an address of the
// target the connections of the busiest host:port are spread; those of a
// template's host are not known, and taken as one.
func (g *generator) Pairs() int {
	r := g.program.route
	to := 0
	for _, a := range g.program.actions {
		n := 1
		if a.request != nil && a.request.link.fixed != nil && r.detoured() == "" {
			n = len(r.touches(a.request.link.fixed.addr))
		}
		if a.request != nil && (to == 0 || n < to) {
			to = n
		}
	}
	return max(to, 1) * max(len(r.source), 1)
}
