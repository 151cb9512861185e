package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// httpType acts on requests: it delays them, answers them itself, or changes
// what is said. Connections on which HTTP/1 is spoken in the clear are read
// along from the next request on; HTTP/2 in the clear from the connection's
// opening on. Everything else passes untouched.
const httpType = "http"

// HTTPRule is what an HTTP toxic does, and to which requests.
type HTTPRule struct {
	Methods []string `json:"methods,omitempty"` // none: every method
	Path    string   `json:"path,omitempty"`    // a pattern; empty: every path
	First   int64    `json:"first,omitempty"`   // how many requests are hit at most; 0: all

	Delay  time.Duration `json:"delay_ns,omitempty"`
	Jitter time.Duration `json:"jitter_ns,omitempty"`
	Abort  int           `json:"abort,omitempty"` // the status to answer with
	GRPC   int           `json:"grpc,omitempty"`  // the gRPC status to answer with
	Ask    *Patch        `json:"request,omitempty"`
	Answer *Patch        `json:"response,omitempty"`
}

// A Patch changes a message's head and body.
type Patch struct {
	Status  int               `json:"status,omitempty"` // of a response
	Set     map[string]string `json:"set,omitempty"`
	Remove  []string          `json:"remove,omitempty"`
	Body    *string           `json:"body,omitempty"`    // instead of the one that is there
	Replace map[string]string `json:"replace,omitempty"` // texts in the body
}

// label tells the rules of one proxy apart: "http POST /charge".
func (h HTTPRule) label() string {
	label := httpType
	if len(h.Methods) > 0 {
		label += " " + strings.Join(h.Methods, ",")
	}
	if h.Path != "" {
		label += " " + h.Path
	}
	return label
}

func checkHTTP(t Toxic) error {
	if t.HTTP == nil {
		return errors.New("there is no rule")
	}
	h := *t.HTTP
	switch {
	case h.Delay == 0 && h.Abort == 0 && h.GRPC == 0 && h.Ask == nil && h.Answer == nil:
		return errors.New("nothing is to be done to requests")
	case h.Delay < 0 || h.Jitter < 0 || h.Jitter > h.Delay:
		return errors.New("the delay must be above 0 and the jitter at most as long")
	case h.Abort != 0 && (h.Abort < 200 || h.Abort > 599):
		return fmt.Errorf("%d is no status to end a request with", h.Abort)
	case h.GRPC < 0 || h.GRPC >= len(grpcCodes):
		return fmt.Errorf("%d is no gRPC status", h.GRPC)
	case h.First < 0:
		return errors.New("the number of requests is negative")
	case h.Ask != nil && h.Ask.Status != 0:
		return errors.New("a request has no status")
	case h.Answer != nil && h.Answer.Status != 0 && !bodied(h.Answer.Status):
		return fmt.Errorf("%d is no status of a response with a body", h.Answer.Status)
	}
	for _, p := range []*Patch{h.Ask, h.Answer} {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

// bodied says whether a final response of that status may have a body.
func bodied(status int) bool {
	return status >= 200 && status <= 599 && status != http.StatusNoContent && status != http.StatusNotModified
}

// framed are the fields that say where a message ends: they are not for
// patching.
var framed = []string{"content-length", "transfer-encoding", "connection", "upgrade", "trailer"}

func (p *Patch) check() error {
	if p == nil {
		return nil
	}
	if p.Body != nil && len(p.Replace) > 0 {
		return errors.New("a body is either given or has texts replaced")
	}
	for name, value := range p.Set {
		if !isToken([]byte(name)) || !isText([]byte(value)) {
			return fmt.Errorf("%q is no header field", name+": "+value)
		}
	}
	for _, name := range slices.Concat(p.Remove, keys(p.Set)) {
		if slices.Contains(framed, strings.ToLower(name)) {
			return fmt.Errorf("%s says where messages end and cannot be patched", name)
		}
	}
	if _, ok := p.Replace[""]; ok {
		return errors.New("the text to replace is empty")
	}
	return nil
}

func keys(m map[string]string) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

// A rule is an HTTP toxic at work.
type rule struct {
	HTTPRule
	path  *regexp.Regexp
	share float64 // of requests
	seed  uint64

	matched atomic.Int64 // requests it is about
	hit     atomic.Int64 // those it harmed, or meant to
	seen    atomic.Int64 // all requests

	delayed, delay, slowest  atomic.Int64 // requests; ns
	aborted, patched, missed atomic.Int64 // requests
	closed                   atomic.Int64 // connections that it cannot read
}

func newRule(h HTTPRule, seed uint64, share float64) (*rule, error) {
	r := &rule{HTTPRule: h, share: share, seed: seed}
	if h.Path == "" {
		return r, nil
	}
	var err error
	if r.path, err = pathPattern(h.Path); err != nil {
		return nil, fmt.Errorf("read path %q: %w", h.Path, err)
	}
	return r, nil
}

// pathPattern reads a pattern of paths: * stands for anything within a segment,
// ** for anything at all.
func pathPattern(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`^`)
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(`.*`)
			i++
		case pattern[i] == '*':
			b.WriteString(`[^/]*`)
		default:
			end := i + 1
			for end < len(pattern) && pattern[end] != '*' {
				end++
			}
			b.WriteString(regexp.QuoteMeta(pattern[i:end]))
			i = end - 1
		}
	}
	b.WriteString(`$`)
	return regexp.Compile(b.String())
}

// takes says whether a request is hit, and counts it. The share is chosen by
// the seed and the number of the request among those that match, over all
// connections.
func (r *rule) takes(method, target string, grpc bool) bool {
	r.seen.Add(1)
	path, _, _ := strings.Cut(target, "?")
	switch {
	case len(r.Methods) > 0 && !slices.ContainsFunc(r.Methods, func(m string) bool { return strings.EqualFold(m, method) }):
		return false
	case r.path != nil && !r.path.MatchString(path):
		return false
	case r.GRPC != 0 && !grpc:
		return false
	}
	n := uint64(r.matched.Add(1))
	if r.share < 1 && rand.New(rand.NewPCG(r.seed, n)).Float64() >= r.share {
		return false
	}
	return r.hit.Add(1) <= r.First || r.First == 0
}

// wait is by how much the nth delayed request is delayed.
func (r *rule) wait() time.Duration {
	n := r.delayed.Load()
	if r.Jitter == 0 {
		return r.Delay
	}
	rng := rand.New(rand.NewPCG(r.seed^1, uint64(n)))
	return r.Delay + time.Duration(rng.Int64N(2*int64(r.Jitter)+1)) - r.Jitter
}

// waited counts a delay as it was measured.
func (r *rule) waited(d time.Duration) {
	r.delay.Add(int64(d))
	r.delayed.Add(1)
	for slowest := r.slowest.Load(); int64(d) > slowest && !r.slowest.CompareAndSwap(slowest, int64(d)); {
		slowest = r.slowest.Load()
	}
}

// A verdict is what is to be done with one request.
type verdict struct {
	delays []*active
	abort  *active // the first that answers itself
	patch  []*active
}

// judge asks every rule about a request.
func (s toxicSet) judge(method, target string, grpc bool) verdict {
	var v verdict
	for _, a := range s {
		if a.rule == nil || !a.rule.takes(method, target, grpc) {
			continue
		}
		if a.rule.Delay > 0 {
			v.delays = append(v.delays, a)
		}
		if (a.rule.Abort != 0 || a.rule.GRPC != 0) && v.abort == nil {
			v.abort = a
		}
		if a.rule.Ask != nil || a.rule.Answer != nil {
			v.patch = append(v.patch, a)
		}
	}
	return v
}

// delay waits as long as the verdict says, or until what asks for it is gone,
// or the link is.
func (v verdict) delay(dead <-chan struct{}) {
	for _, a := range v.delays {
		started := time.Now()
		timer := time.NewTimer(a.rule.wait())
		select {
		case <-timer.C:
			a.rule.waited(time.Since(started))
		case <-a.gone: // it was let go early, which is no measure of anything
		case <-dead:
		}
		timer.Stop()
	}
}

// readsHTTP says whether HTTP is cared about.
func (s toxicSet) readsHTTP() bool {
	return slices.ContainsFunc(s, func(a *active) bool { return a.Type == httpType })
}

// reply is the answer to an aborted HTTP/1 request.
func (r *rule) reply(h head, closes bool) []byte {
	body := fmt.Sprintf("%d %s\n", r.Abort, http.StatusText(r.Abort))
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nBrunt-Fault: abort\r\n", r.Abort, http.StatusText(r.Abort))
	if closes {
		b.WriteString("Connection: close\r\n")
	} else if h.version == 0 {
		b.WriteString("Connection: keep-alive\r\n")
	}
	if r.Abort == http.StatusNoContent || r.Abort == http.StatusNotModified {
		b.WriteString("\r\n")
		return []byte(b.String())
	}
	fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n", len(body))
	if h.method != http.MethodHead {
		b.WriteString(body)
	}
	return []byte(b.String())
}

// grpcCodes are gRPC's status codes, by number.
var grpcCodes = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
