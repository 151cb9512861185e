package scenarios

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// readVars takes the variables before anything else, since any text may use
// them. They are resolved when they are used.
func (l *loader) readVars(root decode.Node) {
	n, _ := root.Get("vars")
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "vars is a map of names to values, and this is "+n.Kind().String(), "write vars: { peak: 4000/s }")
	}
	for _, e := range n.Entries() {
		switch {
		case leadingName(e.Key) != e.Key || e.Key == "":
			l.d.Report(e.KeyNode, codeName, "a variable's name has letters, digits and _, and no digit in front", "")
		case e.Key == "stack":
			l.d.Report(e.KeyNode, codeName, "stack is what the stack's own variables are called by: ${stack.url}", "choose another name")
		case e.Value.Kind() != decode.Scalar:
			l.d.Report(e.KeyNode, decode.CodeWrongType, "a variable is a single value, and "+e.Key+" is "+e.Value.Kind().String(), "")
			// Defined all the same, so that its uses are not reported too.
			l.x.vars[e.Key] = &variable{name: e.Key, node: e.Value}
		default:
			l.x.vars[e.Key] = &variable{name: e.Key, node: e.Value, text: e.Value.Text()}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.options.Vars)) {
		v, ok := l.x.vars[name]
		if !ok {
			hint := "the scenario has no vars"
			if names := slices.Sorted(maps.Keys(l.x.vars)); len(names) > 0 {
				hint = "there is " + strings.Join(names, ", ")
				if near := decode.Suggest(name, names); near != "" {
					hint = "did you mean " + near + "?"
				}
			}
			at := root
			if key, ok := n.Key(); ok {
				at = key
			}
			l.d.Report(at, codeReference, "vars has no "+strconv.Quote(name)+" to be set from the command line", hint)
			continue
		}
		v.text, v.given = l.options.Vars[name], true
	}
}

// checkVars resolves each variable once, so that a mistake shows at its own
// place even when nothing uses the variable.
func (l *loader) checkVars(root decode.Node) {
	n, _ := root.Get("vars")
	for _, e := range n.Entries() {
		v := l.x.vars[e.Key]
		if v == nil || v.given {
			continue
		}
		if _, err := l.x.expand(v.text, true, nil); err != nil {
			l.d.ReportText(v.node, err.Offset, err.Length, err.Code, err.Message, err.Hint)
			v.done = true // an empty value: its uses are fine
		}
	}
	for _, v := range l.x.vars {
		v.used = false
	}
}

// readStack finds the stack before any text is resolved that may draw on it.
func (l *loader) readStack(root decode.Node) {
	t, _ := root.Get("target")
	n, ok := t.Get("stack")
	if !ok || n.Kind() != decode.Scalar {
		return
	}
	name, ok := l.d.Text(n)
	if !ok {
		return
	}
	names := make([]string, 0, len(l.kinds.Stacks))
	for i, s := range l.kinds.Stacks {
		names = append(names, s.Name)
		if s.Name == name {
			l.stack = &l.kinds.Stacks[i]
		}
	}
	if l.stack == nil {
		l.x.anyStack = true
		hint := "stacks are " + strings.Join(names, ", ")
		if near := decode.Suggest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		} else if len(names) == 0 {
			hint = "there is none in this build"
		}
		l.d.Report(n, codeReference, "there is no stack called "+strconv.Quote(name), hint)
		return
	}
	l.x.stackName = name
	l.x.stack = map[string]string{}
	for _, v := range l.stack.Vars {
		value, ok := l.stackGiven[v]
		if !ok {
			value = l.stack.example(v)
		}
		l.x.stack[v] = value
	}
}

// example is a value of the right shape for a variable of a stack. Its host
// cannot exist (RFC 6761), so a plan made with it can reach nothing.
func (s *StackKind) example(name string) string {
	if v, ok := s.Examples[name]; ok {
		return v
	}
	if name == "url" || name == "status" || strings.HasSuffix(name, "_url") {
		return "http://" + name + ".stack.invalid"
	}
	return name + ".stack.invalid:1"
}

// unresolve puts ${stack.url} in the place of its example.
func (l *loader) unresolve(text string) string {
	if l.stack == nil {
		return text
	}
	for _, name := range l.stack.Vars {
		if _, given := l.stackGiven[name]; given {
			continue
		}
		example := l.stack.example(name)
		text = strings.ReplaceAll(text, example, "${stack."+name+"}")
		// Kinds leave the scheme out where it says nothing.
		if _, bare, ok := strings.Cut(example, "://"); ok {
			text = strings.ReplaceAll(text, bare, "${stack."+name+"}")
		}
	}
	return text
}

// readTarget builds the guard.
func (l *loader) readTarget() {
	t := l.top.Target
	for _, h := range t.Hosts {
		if h.value == "" {
			continue // reported, or empty
		}
		p, err := parseHostPattern(h.value)
		if err != nil {
			l.d.ReportText(h.Node, 0, len(h.Text()), decode.CodeBadValue, err.message, err.hint)
			continue
		}
		p.text = h.Text() // as written: a host may come from the environment
		l.guard.patterns = append(l.guard.patterns, p)
		l.noteProduction(h.Node, "host", h.value)
	}
	for name, value := range l.x.stack {
		if address := addressOf(value); address != "" {
			l.guard.allow(address, "${stack."+name+"}")
		}
	}
	l.readProxies(t.Proxies.Node)
	l.readResolvers(t.Resolvers.Node)
	l.readContainers(t.Containers)
	l.readKubernetes(t.Kubernetes)
	l.plannedSection("prometheus", t.Prometheus.Node)
}

func (l *loader) readProxies(n decode.Node) {
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "proxies is a map of names, and this is "+n.Kind().String(), "write proxies: { payments: { listen: 127.0.0.1:9001, upstream: 127.0.0.1:9000 } }")
		return
	}
	for _, e := range n.Entries() {
		p := proxySpec{name: e.Key}
		if !l.goodName(e.KeyNode, e.Key, "proxy") || !l.d.Decode(e.Value, &p.spec) {
			continue
		}
		l.allowEnds(e.Value, p.spec.Listen, p.spec.Upstream)
		l.proxies = append(l.proxies, p)
	}
}

// allowEnds checks both ends of a proxy or a resolver, and makes them part of
// the target.
func (l *loader) allowEnds(n decode.Node, listen, upstream string) {
	for _, a := range []struct{ key, value string }{{"listen", listen}, {"upstream", upstream}} {
		at, _ := n.Get(a.key)
		if message, hint := badAddress(a.value); message != "" {
			l.d.Report(at, decode.CodeBadValue, message, hint)
			continue
		}
		l.guard.allow(a.value, at.Text())
		l.noteProduction(at, "host", a.value)
	}
}

// badAddress says what is wrong with a host:port.
func badAddress(s string) (message, hint string) {
	if host := addressOf(s); strings.Contains(s, "://") {
		return "an address is host:port, without a scheme", "write " + host
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return strconv.Quote(s) + " is not an address", "write host:port, such as 127.0.0.1:9000"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return strconv.Quote(port) + " is not a port", "a port is a number from 1 to 65535"
	}
	return "", ""
}

// allow adds one address, shown to people as text.
func (g *guard) allow(address, text string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return
	}
	g.patterns = append(g.patterns, hostPattern{text: text, host: canonicalHost(host), port: port, implied: true})
}

// defaultPorts are those of the schemes whose URLs leave them out.
var defaultPorts = map[string]string{
	"http": "80", "https": "443", "ws": "80", "wss": "443", "grpc": "443", "grpcs": "443",
	"redis": "6379", "rediss": "6379", "postgres": "5432", "postgresql": "5432", "mysql": "3306",
	"nats": "4222", "mqtt": "1883", "mqtts": "8883", "amqp": "5672", "amqps": "5671", "mongodb": "27017",
}

// addressOf is the host:port of a URL or of an address; "" when there is none.
func addressOf(s string) string {
	if !strings.Contains(s, "://") {
		if _, _, err := net.SplitHostPort(s); err == nil {
			return s
		}
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// addressKeys are the keys under which kinds keep where they connect to.
var addressKeys = []string{
	"base", "url", "address", "addresses", "brokers", "endpoint", "server", "servers", "target", "targets", "proxy",
	"get", "post", "put", "patch", "delete", "head", "options",
}

// checkAddresses refuses, with its place, whatever a kind's configuration
// names outside the target. What is known only during the run is refused then.
// Where it says that connections go elsewhere than to the URL's host (unix,
// connect_to), it is there that has to be in the target.
func (l *loader) checkAddresses(n decode.Node) {
	if n.Kind() == decode.Map {
		if socket, ok := n.Get("unix"); ok && socket.Kind() == decode.Scalar {
			l.checkSocket(socket)
			return
		}
		if instead, ok := n.Get("connect_to"); ok {
			l.instead = map[string]bool{}
			defer func() { l.instead = nil }()
			for _, e := range instead.Entries() {
				l.instead[canonicalAddress(e.Key)] = true
				l.checkDetour(e.Value)
			}
		}
	}
	l.checkNamed(n)
}

// checkDetour checks one address of connect_to, or a list of them.
func (l *loader) checkDetour(n decode.Node) {
	if n.Kind() == decode.Scalar {
		l.checkAddress(n)
	}
	for _, item := range n.Items() {
		l.checkAddress(item)
	}
}

// checkSocket checks the path of a Unix socket.
func (l *loader) checkSocket(n decode.Node) {
	e, err := l.x.expand(n.Text(), true, l.session)
	if err != nil || e.text == "" {
		return // reported where it was decoded
	}
	socket := "unix:" + e.text
	if l.guard.Allow(socket) == nil {
		return
	}
	l.d.ReportText(n, 0, len(n.Text()), codeOutside, "the socket "+e.text+" is outside the target",
		fmt.Sprintf("add %q to target.hosts if that is what you mean to load", socket))
}

// canonicalAddress folds the ways to write one host:port.
func canonicalAddress(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s
	}
	return net.JoinHostPort(canonicalHost(host), port)
}

// checkNamed checks the addresses under the keys that hold some.
func (l *loader) checkNamed(n decode.Node) {
	switch n.Kind() {
	case decode.Scalar:
		if strings.Contains(n.Text(), "://") || strings.Contains(n.Text(), "$") {
			l.checkAddress(n)
		}
	case decode.Map:
		for _, e := range n.Entries() {
			switch {
			case e.Key == "steps":
				for _, step := range e.Value.Items() {
					l.checkNamed(step)
				}
			case !slices.Contains(addressKeys, e.Key):
			case e.Value.Kind() == decode.Scalar:
				l.checkAddress(e.Value)
			case e.Value.Kind() == decode.List:
				for _, item := range e.Value.Items() {
					l.checkAddress(item)
				}
			}
		}
	}
}

func (l *loader) checkAddress(n decode.Node) {
	if n.Kind() != decode.Scalar {
		return
	}
	e, err := l.x.expand(n.Text(), true, l.session)
	if err != nil {
		return // reported where it was decoded
	}
	authority := e.text
	start := 0
	if i := strings.Index(authority, "://"); i >= 0 {
		start = i + 3
	} else if strings.HasPrefix(authority, "/") {
		return // a path
	}
	length := strings.IndexAny(authority[start:], "/?#")
	if length < 0 {
		length = len(authority) - start
	}
	if strings.Contains(authority[start:start+length], "${") {
		return // known only during the run
	}
	address := addressOf(authority[:start+length])
	if address == "" || l.x.anyStack || l.instead[canonicalAddress(address)] || l.guard.Allow(address) == nil {
		return
	}
	at, count := e.locate(start, length)
	if !l.guard.declared() && l.stack == nil {
		l.d.ReportText(n, at, count, codeOutside, "target.hosts is empty, so nothing may be loaded or broken",
			fmt.Sprintf("add target: { hosts: [%q] } if that is what you mean to load", address))
		return
	}
	l.d.ReportText(n, at, count, codeOutside, address+" is outside the target", fmt.Sprintf("add %q to target.hosts if that is what you mean to load", address))
}
