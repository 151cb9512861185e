package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxPatchedBody bounds a body that is to be changed; a longer one passes as
// it is, and is counted as missed.
const maxPatchedBody = 4 << 20

// A change is what patches of several rules make of one message.
type change struct {
	by      []*active
	patches []*Patch
}

// changes are those that the verdict makes to the request and to the response.
func (v verdict) changes() (ask, answer change) {
	for _, a := range v.patch {
		if p := a.rule.Ask; p != nil {
			ask.by, ask.patches = append(ask.by, a), append(ask.patches, p)
		}
		if p := a.rule.Answer; p != nil {
			answer.by, answer.patches = append(answer.by, a), append(answer.patches, p)
		}
	}
	return ask, answer
}

func (c change) none() bool { return len(c.patches) == 0 }

// body says whether the body is changed too.
func (c change) body() bool {
	return slices.ContainsFunc(c.patches, func(p *Patch) bool { return p.Body != nil || len(p.Replace) > 0 })
}

// replaces says whether the body must be readable as it is.
func (c change) replaces() bool {
	return slices.ContainsFunc(c.patches, func(p *Patch) bool { return len(p.Replace) > 0 })
}

// given says whether the body is another one altogether.
func (c change) given() bool {
	return slices.ContainsFunc(c.patches, func(p *Patch) bool { return p.Body != nil })
}

// done counts the message for every rule that changed it; missed, that they
// could not.
func (c change) done()   { c.count(func(r *rule) { r.patched.Add(1) }) }
func (c change) missed() { c.count(func(r *rule) { r.missed.Add(1) }) }
func (c change) count(add func(*rule)) {
	for _, a := range c.by {
		add(a.rule)
	}
}

// text is what becomes of a body.
func (c change) text(body []byte) []byte {
	for _, p := range c.patches {
		if p.Body != nil {
			body = []byte(*p.Body)
		}
		for _, from := range keys(p.Replace) {
			body = bytes.ReplaceAll(body, []byte(from), []byte(p.Replace[from]))
		}
	}
	return body
}

// head is what becomes of an HTTP/1 head. With a length of 0 or more the body
// has that length from now on; below 0 its framing stays.
func (c change) head(raw []byte, h head, length int) []byte {
	line := raw[:h.line-2]
	if h.status != 0 {
		for _, p := range c.patches {
			if p.Status != 0 {
				line = fmt.Appendf(nil, "HTTP/1.%d %d %s", h.version, p.Status, http.StatusText(p.Status))
			}
		}
	}
	out := append(slices.Clone(line), "\r\n"...)
	var drop []string
	if length >= 0 {
		drop = append(drop, "content-length", "transfer-encoding", "trailer")
		if c.given() {
			drop = append(drop, "content-encoding")
		}
	}
	for _, p := range c.patches {
		drop = append(append(drop, p.Remove...), keys(p.Set)...)
	}
	for field := range bytes.SplitAfterSeq(raw[h.line:h.size-2], []byte("\r\n")) {
		name, _, _ := bytes.Cut(field, []byte(":"))
		if !slices.ContainsFunc(drop, func(d string) bool { return strings.EqualFold(d, string(name)) }) {
			out = append(out, field...)
		}
	}
	set := map[string]string{}
	for _, p := range c.patches {
		for _, name := range keys(p.Set) {
			set[name] = p.Set[name]
		}
	}
	for _, name := range keys(set) {
		out = fmt.Appendf(out, "%s: %s\r\n", name, set[name])
	}
	if length >= 0 {
		out = fmt.Appendf(out, "Content-Length: %d\r\n", length)
	}
	return append(out, "\r\n"...)
}
