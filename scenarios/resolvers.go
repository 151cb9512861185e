package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// The kinds of faults that act on what target names.
const (
	proxyFault  = "proxy"
	dnsFault    = "dns"
	dockerFault = "docker"
)

func (l *loader) readResolvers(n decode.Node) {
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "resolvers is a map of names, and this is "+n.Kind().String(), "write resolvers: { cluster: { listen: 127.0.0.1:5301, upstream: 10.96.0.10:53 } }")
		return
	}
	for _, e := range n.Entries() {
		r := resolverSpec{name: e.Key}
		if !l.goodName(e.KeyNode, e.Key, "resolver") || !l.d.Decode(e.Value, &r.spec) {
			continue
		}
		l.allowEnds(e.Value, r.spec.Listen, r.spec.Upstream)
		at, _ := e.Value.Get("listen")
		if message, hint := badListen(r.spec.Listen); message != "" {
			l.d.Report(at, decode.CodeBadValue, message, hint)
		}
		l.resolvers = append(l.resolvers, r)
	}
}

// badListen says why no resolver can listen on an address that is one. Those
// that ask a resolver are given an IP address, and expect the answer from it.
func badListen(s string) (message, hint string) {
	if message, _ := badAddress(s); message != "" {
		return "", "" // said already
	}
	switch address, err := netip.ParseAddrPort(s); {
	case err != nil:
		return "a resolver listens on an IP address, and " + strconv.Quote(s) + " has none", "write IP:port, such as 127.0.0.1:5301"
	case address.Addr().IsUnspecified():
		return "a resolver listens on one address, and " + address.Addr().String() + " is all of them", "write the one that it is asked on, such as 127.0.0.1:5301"
	}
	return "", ""
}

// checkOn finds the proxy or the resolver that a fault acts on, where it acts
// on one that brunt starts.
func (l *loader) checkOn(spec *faultChoice, config decode.Node) bool {
	on, ok := config.Get("on")
	if _, elsewhere := config.Get("toxiproxy"); !ok || elsewhere {
		return true
	}
	var role, section, example string
	var declared decode.Node
	switch spec.kind.Name {
	case proxyFault:
		role, section, declared, example = "proxy", "proxies", l.top.Target.Proxies.Node, "listen: 127.0.0.1:9001, upstream: 127.0.0.1:9000"
	case dnsFault:
		role, section, declared, example = "resolver", "resolvers", l.top.Target.Resolvers.Node, "listen: 127.0.0.1:5301, upstream: 10.96.0.10:53"
	default:
		return true
	}
	e, err := l.x.expand(on.Text(), true, nil)
	if err != nil {
		return false // reported where it was decoded
	}
	// Also those with a mistake of their own, which is reported already.
	var names []string
	for _, d := range declared.Entries() {
		names = append(names, d.Key)
	}
	if slices.Contains(names, e.text) {
		spec.on = role + " " + e.text
		return true
	}
	hint := section + " are " + strings.Join(names, ", ")
	if near := decode.Suggest(e.text, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) == 0 {
		hint = fmt.Sprintf("add target: { %s: { %s: { %s } } }", section, e.text, example)
	}
	l.d.ReportText(on, 0, len(on.Text()), codeReference, "target has no "+role+" called "+strconv.Quote(e.text), hint)
	return false
}
