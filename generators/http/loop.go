package http

import (
	"net/netip"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/lane"
)

// Loop is the fast path, for loads of one request that never changes, over
// HTTP/1.1 in the clear. Everything else needs a session's goroutine; why
// says what does.
func (g *generator) Loop() (loop generators.Loop, why string) {
	c := g.config
	if len(g.program.actions) != 1 || g.program.rotates || g.program.actions[0].request == nil {
		return nil, "several steps"
	}
	r := g.program.actions[0].request
	switch {
	case !r.constant():
		return nil, "a request that differs from arrival to arrival"
	case r.link.fixed.tls:
		return nil, "TLS"
	case c.Protocol == "h2c":
		return nil, "HTTP/2"
	case g.program.route.detoured() != "":
		return nil, g.program.route.detoured()
	case c.ServedBy != "":
		return nil, "served_by"
	case c.Cookies, c.Compression, r.redirects > 0, len(r.extracts) > 0:
		return nil, "cookies, compression, redirects or extraction"
	case r.keepBody, len(r.expect.headers) > 0, r.expect.time != nil, r.expect.size != nil:
		return nil, "checks of more than the status"
	}
	addresses, why := g.laneAddresses(r.link.fixed.addr)
	if why != "" {
		return nil, why
	}
	sc := scratch{buffers: new(buffers)}
	var m message
	if err := sc.render(&m, r, c.Base, generators.Scope{}); err != nil {
		return nil, err.Error()
	}
	rest, expects := sc.encode(&m, g.keepAlive)
	if expects {
		return nil, "a body sent on permission (Expect: 100-continue)"
	}
	config := lane.Config{
		Addresses: addresses, Sources: g.program.route.source, Request: append(sc.out, rest...),
		Head: r.method == "HEAD", Idempotent: repeatable(&m, sc.fields), Resent: &g.resent,
		Timeout: r.timeout, MaxBody: laneBody,
		MaxAge: c.Connections.MaxAge, MaxRequests: c.Connections.MaxRequests,
		Accept: r.expect.statusOK, Precision: c.Precision,
	}
	if !g.keepAlive {
		config.MaxRequests = 1
	}
	if loop = lane.Loop(config); loop == nil {
		return nil, "not Linux"
	}
	return loop, ""
}

// laneAddresses are where connections to a host:port go, or why a lane cannot
// go there.
func (g *generator) laneAddresses(addr string) (addresses []netip.AddrPort, why string) {
	for _, to := range g.program.route.touches(addr) {
		address, err := netip.ParseAddrPort(to)
		if err != nil {
			return nil, "a host name, looked up for each connection"
		}
		if err := g.allow(to); err != nil {
			return nil, "an address outside the target" // a session says so for each arrival
		}
		addresses = append(addresses, address)
	}
	return addresses, ""
}

// laneBody bounds a body that is only counted; its end is bounded by the
// timeout as well.
const laneBody = 1 << 40

// constant says that a request is the same for all arrivals.
func (r *request) constant() bool {
	if r.link.fixed == nil || r.link.template != nil || len(r.link.query) > 0 || !r.body.isConstant {
		return false
	}
	for i := range r.headers {
		if r.headers[i].template != nil {
			return false
		}
	}
	return true
}
