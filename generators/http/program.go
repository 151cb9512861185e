package http

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// Defaults of a Config made without a scenario.
const (
	defaultTimeout = 10 * time.Second
	defaultMaxBody = 10 << 20
)

// A program is what an arrival plays: all of its actions in order, or, when it
// rotates, one of them in turn.
type program struct {
	actions []action
	rotates bool
	feeds   []*feed // those that the templates take values from
	seed    uint64
	route   *route
	longest time.Duration // the longest timeout of a request
}

// An action is a pause or a request.
type action struct {
	think think // nil for a request
	*request
}

// A request is a step with everything worked out that does not change from
// one arrival to the next. It is immutable.
type request struct {
	step      int
	method    string
	link      link
	headers   []headerField
	body      body
	timeout   time.Duration
	redirects int
	expect    expectation
	extracts  []extraction
	keepBody  bool // the body is looked at, not only counted
}

// A headerField is one field to send.
type headerField struct {
	name     string
	constant []byte // when template is nil
	template *generators.Template
	private  bool // not for other hosts: Authorization and Cookie
	ofBody   bool // describes a body; gone when a redirect drops the body
}

// A feed is a data feed by its name.
type feed struct {
	name string
	*generators.Feed
}

// compile turns a configuration into a program. Its error is the first
// problem, with the field.
func compile(c Config, env generators.Env) (*program, error) {
	var first error
	cp := compiler{config: c, report: func(field, message, hint string) {
		if first != nil {
			return
		}
		if field != "" {
			message = field + ": " + message
		}
		if hint != "" {
			message += " (" + hint + ")"
		}
		first = errors.New(message)
	}}
	p := cp.program(&env)
	return p, first
}

// Validate reports everything that is wrong with c and can be known without a
// run. Feeds are not looked at.
func (c Config) Validate(report func(field, message, hint string)) {
	cp := compiler{config: c, report: report}
	cp.program(nil)
}

// A compiler collects the problems of a configuration on the way to a program.
type compiler struct {
	config Config
	report func(field, message, hint string)
	vars   map[string]bool // what earlier steps extracted
	feeds  map[string]*generators.Feed
	used   map[string]bool // feeds that templates refer to
	known  bool            // whether feeds are known at all
}

func (cp *compiler) program(env *generators.Env) *program {
	c := cp.config
	p := &program{}
	cp.vars, cp.used = map[string]bool{}, map[string]bool{}
	if env != nil {
		cp.feeds, cp.known = env.Feeds, true
		p.seed = env.Seed
	}
	cp.general()
	p.route = newRoute(c, cp.report)
	if len(c.Steps) > 0 {
		cp.noShorthand()
	}
	steps := c.flow()
	names := stepNames(steps)
	cp.checkNames(steps)
	index := 0
	for i, s := range steps {
		at := ""
		if len(c.Steps) > 0 {
			at = fmt.Sprintf("steps[%d]", i)
		}
		if s.Think != "" {
			p.actions = append(p.actions, action{think: cp.think(s, at)})
			continue
		}
		r := cp.request(s, index, at)
		p.actions = append(p.actions, action{request: r})
		p.longest = max(p.longest, r.timeout)
		index++
	}
	if len(names) == 0 {
		cp.report("steps", "there is no request among the steps", "add a step such as get: /")
	}
	if cp.known {
		for _, name := range sortedKeys(cp.used) {
			p.feeds = append(p.feeds, &feed{name, cp.feeds[name]})
		}
	}
	return p
}

// general checks what is not a step's.
func (cp *compiler) general() {
	c := cp.config
	switch c.Protocol {
	case "", "auto", "h1", "h2", "h2c", "h3":
	default:
		cp.report("protocol", fmt.Sprintf("there is no protocol %q", c.Protocol), "use auto, h1, h2, h2c or h3")
	}
	if c.Base != "" {
		l, err := newLink("", c.Base)
		switch {
		case err != nil:
			cp.reportError("base", err)
		case l.fixed == nil:
			cp.report("base", "a base cannot hold expressions of a run", "put the whole URL into the step")
		case strings.ContainsAny(c.Base, "?#"):
			cp.report("base", "a base has no query", "use query: in the steps")
		}
	}
	if c.Timeout < 0 {
		cp.report("timeout", "a timeout cannot be negative", "")
	}
	if c.Redirects < 0 {
		cp.report("redirects", "a number of redirects cannot be negative", "")
	}
	if c.MaxBody < 0 {
		cp.report("max_body", "a length cannot be negative", "")
	}
	if c.Connections.Max < 0 || c.Connections.MaxRequests < 0 || c.Connections.MaxAge < 0 {
		cp.report("connections", "limits of connections cannot be negative", "")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		cp.report("tls", "a certificate needs its key and the other way round", "set both cert and key")
	}
	cp.tlsVersions()
}

// tlsVersions checks which versions of TLS may be spoken.
func (cp *compiler) tlsVersions() {
	c := cp.config
	oldest, err := tlsVersion(c.TLS.MinVersion, tls.VersionTLS12)
	if err != nil {
		cp.reportError("tls.min_version", err)
		return
	}
	newest, err := tlsVersion(c.TLS.MaxVersion, tls.VersionTLS13)
	switch {
	case err != nil:
		cp.reportError("tls.max_version", err)
	case newest < oldest:
		cp.report("tls.max_version", fmt.Sprintf("the newest version of TLS, %s, is older than the oldest, %s", c.TLS.MaxVersion, cmp.Or(c.TLS.MinVersion, "1.2")), "lower min_version, too")
	case c.Protocol == "h3" && newest < tls.VersionTLS13:
		cp.report("tls.max_version", "protocol h3 needs TLS 1.3", "leave max_version out")
	case c.Protocol == "h2" && newest < tls.VersionTLS12:
		cp.report("tls.max_version", "protocol h2 needs TLS 1.2 or newer", "raise max_version, or use protocol: h1")
	}
}

// noShorthand refuses what would silently not be done.
func (cp *compiler) noShorthand() {
	c := cp.config
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"get", c.Get != ""}, {"post", c.Post != ""}, {"put", c.Put != ""}, {"patch", c.Patch != ""},
		{"delete", c.Delete != ""}, {"head", c.Head != ""}, {"options", c.Options != ""},
		{"name", c.Name != ""}, {"query", c.Query != nil}, {"json", c.JSON != nil}, {"body", c.Body != ""},
		{"form", c.Form != nil}, {"check", c.Check != nil},
	} {
		if f.set {
			cp.report(f.field, fmt.Sprintf("%s is for loads without steps", f.field), "move it into a step")
		}
	}
}

func (cp *compiler) checkNames(steps []Step) {
	seen := map[string]bool{}
	for i, s := range steps {
		field := "name"
		if len(cp.config.Steps) > 0 {
			field = fmt.Sprintf("steps[%d].name", i)
		}
		if s.Name == "" {
			continue
		}
		for j := 0; j < len(s.Name); j++ {
			if c := s.Name[j]; !isNameByte(c) {
				cp.report(field, fmt.Sprintf("a name cannot hold %q", c), "use letters, digits, '_', '.' and '-'")
				break
			}
		}
		if seen[s.Name] {
			cp.report(field, fmt.Sprintf("two steps are named %q", s.Name), "give each its own name")
		}
		seen[s.Name] = true
	}
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
}

func (cp *compiler) think(s Step, at string) think {
	if len(s.methods()) > 0 {
		cp.report(at, "a step is a request or a think time, not both", "make two steps of it")
	}
	t, err := parseThink(s.Think)
	if err != nil {
		cp.reportError(join(at, "think"), err)
		t, _ = parseThink("0s")
	}
	return t
}

func (cp *compiler) request(s Step, index int, at string) *request {
	r := &request{step: index, timeout: s.Timeout, redirects: cp.config.Redirects}
	if r.timeout == 0 {
		r.timeout = cp.config.Timeout
	}
	if r.timeout == 0 {
		r.timeout = defaultTimeout
	}
	if r.timeout < 0 {
		cp.report(join(at, "timeout"), "a timeout cannot be negative", "")
	}
	if s.Redirects != nil {
		if r.redirects = *s.Redirects; r.redirects < 0 {
			cp.report(join(at, "redirects"), "a number of redirects cannot be negative", "")
		}
	}
	switch m := s.methods(); len(m) {
	case 0:
		cp.report(at, "there is nothing to request", "say get, post, put, patch, delete, head or options with a path or URL, or think")
	case 1:
		r.method = m[0].method
		cp.link(r, s, m[0].url, join(at, strings.ToLower(r.method)), at)
	default:
		cp.report(join(at, strings.ToLower(m[1].method)), fmt.Sprintf("a step is one request, this one is %s and %s", m[0].method, m[1].method), "make two steps of it")
	}
	cp.body(r, s, at)
	cp.headers(r, s, at)
	cp.expectation(r, s, at)
	cp.extractions(r, s, at)
	return r
}

func (cp *compiler) link(r *request, s Step, ref, field, at string) {
	l, err := newLink(cp.config.Base, ref)
	if err != nil {
		cp.reportError(field, err)
		return
	}
	if l.template != nil {
		cp.references(field, l.template)
	}
	if l.query, err = newPairs(s.Query); err != nil {
		cp.reportError(join(at, "query"), err)
	}
	constant := l.fixed != nil && l.template == nil
	for _, q := range l.query {
		cp.references(join(at, "query"), q.value)
		if _, ok := q.value.Constant(); !ok {
			constant = false
		}
	}
	if constant && len(l.query) > 0 {
		// Nothing of the query changes either: do it once, here.
		if whole, err := l.appendQuery([]byte(l.constant), nil, generators.Scope{}); err == nil {
			l.constant, l.query = string(whole), nil
		}
	}
	if l.fixed != nil {
		if msg := protocolMismatch(cp.config.Protocol, l.fixed.tls); msg != "" {
			cp.report(field, msg, "")
		}
	}
	r.link = l
}

// protocolMismatch says why a protocol cannot be spoken on a scheme.
func protocolMismatch(protocol string, tls bool) string {
	switch {
	case protocol == "h2" && !tls:
		return "protocol h2 needs an https URL; h2c is HTTP/2 without TLS"
	case protocol == "h3" && !tls:
		return "protocol h3 needs an https URL"
	case protocol == "h2c" && tls:
		return "protocol h2c is HTTP/2 without TLS; use h2 with an https URL"
	}
	return ""
}

func (cp *compiler) body(r *request, s Step, at string) {
	given := 0
	for _, set := range []bool{s.JSON != nil, s.Body != "", s.Form != nil} {
		if set {
			given++
		}
	}
	if given > 1 {
		cp.report(at, "a request has one body", "keep one of json, body and form")
		return
	}
	b, field, err := newBody(s)
	if err != nil {
		cp.reportError(join(at, field), err)
		return
	}
	for _, t := range b.templates() {
		cp.references(at, t)
	}
	r.body = b
}

// headers puts a request's fields together: those that every client sends,
// the load's, and the step's over them.
func (cp *compiler) headers(r *request, s Step, at string) {
	fields := []headerField{
		{name: "User-Agent", constant: []byte("brunt/1")},
		{name: "Accept", constant: []byte("*/*")},
	}
	if cp.config.Compression {
		fields = append(fields, headerField{name: "Accept-Encoding", constant: []byte(acceptEncoding)})
	}
	if r.body.contentType != "" {
		fields = append(fields, headerField{name: "Content-Type", constant: []byte(r.body.contentType), ofBody: true})
	}
	for _, from := range []struct {
		headers map[string]string
		field   string
	}{{cp.config.Headers, "headers"}, {s.Headers, join(at, "headers")}} {
		for _, name := range sortedKeys(from.headers) {
			field := from.field + "." + name
			if msg := badHeader(name); msg != "" {
				cp.report(field, msg, "")
				continue
			}
			t, err := generators.ParseTemplate(from.headers[name])
			if err != nil {
				cp.reportError(field, err)
				continue
			}
			cp.references(field, t)
			h := newHeaderField(name)
			if text, constant := t.Constant(); !constant {
				h.template = t
			} else if h.constant = []byte(text); !validFieldValue(h.constant) {
				cp.report(field, "a header field cannot hold line breaks or control characters", "")
				continue
			}
			fields = setField(fields, h)
		}
	}
	r.headers = fields
}

// newHeaderField is a field without a value yet.
func newHeaderField(name string) headerField {
	name = textproto.CanonicalMIMEHeaderKey(name)
	h := headerField{name: name}
	switch name {
	case "Authorization", "Cookie", "Cookie2", "Proxy-Authorization", "Www-Authenticate":
		h.private = true
	case "Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Expect":
		h.ofBody = true
	}
	return h
}

// setField replaces the field of the same name, or adds one.
func setField(fields []headerField, h headerField) []headerField {
	for i := range fields {
		if fields[i].name == h.name {
			fields[i] = h
			return fields
		}
	}
	return append(fields, h)
}

// badHeader says why a field cannot be set.
func badHeader(name string) string {
	if name == "" {
		return "a header field needs a name"
	}
	for i := 0; i < len(name); i++ {
		if !isTokenByte(name[i]) {
			return fmt.Sprintf("a header field's name cannot hold %q", name[i])
		}
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Te":
		return "the length and coding of the body are set by what the body is"
	case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Http2-Settings":
		return "how connections are kept is set under connections"
	}
	return ""
}

// validFieldValue is true when b can stand in one line of a header.
func validFieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// references checks that a template refers only to what there will be.
func (cp *compiler) references(field string, t *generators.Template) {
	for _, ref := range t.References() {
		name, column, dotted := strings.Cut(ref, ".")
		if !dotted {
			if !cp.vars[name] {
				cp.report(field, fmt.Sprintf("${%s} has no value: no step before this one extracts %s", name, name), "")
			}
			continue
		}
		if !cp.known {
			continue
		}
		f := cp.feeds[name]
		if f == nil {
			cp.report(field, fmt.Sprintf("${%s}: there is no data feed %s", ref, name), "")
			continue
		}
		found := false
		for _, c := range f.Columns() {
			found = found || c == column
		}
		if !found {
			cp.report(field, fmt.Sprintf("${%s}: feed %s has no column %s", ref, name, column), "it has "+strings.Join(f.Columns(), ", "))
			continue
		}
		cp.used[name] = true
	}
}

func (cp *compiler) reportError(field string, err error) {
	var t *generators.TemplateError
	if errors.As(err, &t) {
		cp.report(field, t.Message, t.Hint)
		return
	}
	cp.report(field, err.Error(), "")
}

// join makes a dotted path.
func join(at, key string) string {
	switch {
	case at == "":
		return key
	case key == "":
		return at
	}
	return at + "." + key
}
