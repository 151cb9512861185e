package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"

	"github.com/brunt-dev/brunt/generators"
)

// A Target is one request as it is, without templates.
type Target struct {
	Method string
	URL    string         // absolute
	Header nethttp.Header // sent over the fields of the configuration, names as they are written
	Body   []byte
}

// NewRotation makes a generator whose arrivals play one of the targets each,
// in turn by their index. All targets are one step. A target that env does not
// allow is an error. What c says about steps
// and single requests is not looked at; the rest holds for all targets.
func NewRotation(c Config, targets []Target, env generators.Env) (generators.Generator, error) {
	if len(targets) == 0 {
		return nil, errors.New("there are no targets")
	}
	c = Config{
		Protocol: c.Protocol, Timeout: c.Timeout, Connections: c.Connections, Headers: c.Headers, TLS: c.TLS,
		Redirects: c.Redirects, Cookies: c.Cookies, Compression: c.Compression, MaxBody: c.MaxBody,
		Proxy: c.Proxy, Unix: c.Unix, Source: c.Source, ConnectTo: c.ConnectTo,
	}
	// The general part is checked and worked out like that of a flow, with a
	// request that stands for all.
	model := c
	model.Get = "http://localhost/"
	if c.Protocol == "h2" || c.Protocol == "h3" {
		model.Get = "https://localhost/"
	}
	p, err := compile(model, env)
	if err != nil {
		return nil, err
	}
	common := p.actions[0].request
	p.rotates, p.actions = true, make([]action, 0, len(targets))
	for i, t := range targets {
		r, err := t.request(common, c.Protocol)
		if err != nil {
			return nil, fmt.Errorf("target %d: %w", i+1, err)
		}
		if env.Allow != nil {
			// Nobody has seen these addresses before: better now than during
			// the run.
			for _, address := range p.route.touches(r.link.fixed.addr) {
				if err := env.Allow(address); err != nil {
					return nil, fmt.Errorf("target %d: %w", i+1, err)
				}
			}
		}
		p.actions = append(p.actions, action{request: r})
	}
	return newGenerator(c, env, p)
}

// request makes a target a request like the common one.
func (t Target) request(common *request, protocol string) (*request, error) {
	r := *common
	r.method = strings.ToUpper(t.Method)
	if r.method == "" || r.method == "CONNECT" {
		return nil, fmt.Errorf("method %q cannot be sent", t.Method)
	}
	for i := 0; i < len(r.method); i++ {
		if !isTokenByte(r.method[i]) {
			return nil, fmt.Errorf("method %q cannot be sent", t.Method)
		}
	}
	e, path, err := split(t.URL)
	if err != nil {
		return nil, err
	}
	if msg := protocolMismatch(protocol, e.tls); msg != "" {
		return nil, errors.New(msg)
	}
	r.link = link{fixed: &e, constant: string(appendClean(nil, []byte(path)))}
	r.body = body{isConstant: true, constant: t.Body}
	r.headers = append([]headerField{}, common.headers...)
	for _, name := range sortedKeys(t.Header) {
		if msg := badHeader(name); msg != "" {
			return nil, fmt.Errorf("header %s: %s", name, msg)
		}
		h := newHeaderField(name)
		r.headers = without(r.headers, h.name)
		if !h.private && !h.ofBody && h.name != "Host" {
			h.name = name
		}
		for _, v := range t.Header[name] {
			h.constant = []byte(v)
			if !validFieldValue(h.constant) {
				return nil, fmt.Errorf("header %s holds a line break or a control character", name)
			}
			r.headers = append(r.headers, h)
		}
	}
	return &r, nil
}

// without removes the fields of a name.
func without(fields []headerField, name string) []headerField {
	kept := fields[:0]
	for _, f := range fields {
		if !strings.EqualFold(f.name, name) {
			kept = append(kept, f)
		}
	}
	return kept
}
