// Package http breaks things that are set and unset by a call over HTTP: a
// feature flag, a failover in a cloud, the fault switch of a test double.
//
// A fault is three calls: inject, undo, and verify, which is a GET whose answer
// tells the fault in effect from the fault gone. Verify is called before inject
// too: where the fault is in effect already, or the answer is neither, nothing
// is injected.
//
// The undo call must be idempotent, as PUT and DELETE are: it is repeated, with
// growing pauses, while it cannot be delivered or is answered with 408, 425,
// 429 or 5xx, and `brunt undo` may make it again. For a DELETE, 404 and 410 are
// as good as 204: what was to go is gone.
//
// Only addresses that the scenario's target allows are connected to. They are
// checked before anything is touched and lie in the receipt, so `brunt undo`
// cannot be led elsewhere either: redirects are not followed, and no proxy is
// used.
//
// The calls lie in the receipt. Secrets do not: a header that holds one names
// the environment variable it comes from (headers_from_env), and the value is
// taken from the environment of the brunt that makes the call, which for `brunt
// undo` may be another shell's. A header that usually holds a secret, a password
// in a URL, and the value of a variable that is called like a secret are
// refused.
package http

import (
	"errors"
	"fmt"
	"maps"
	"net"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "http"

const (
	// defaultTimeout is how long one call may take.
	defaultTimeout = 5 * time.Second
	// longestTimeout leaves an undo, and the proof of it, within chaos.UndoBound.
	longestTimeout = 20 * time.Second
)

// Config is one fault by calls.
type Config struct {
	Inject  *Call         `yaml:"inject" required:"true" doc:"The call that breaks something." example:"{ put: \"http://flags:8080/slow\", json: { on: true } }"`
	Undo    *Call         `yaml:"undo" doc:"The call that mends it; it may be made more than once, and without inject." example:"{ delete: \"http://flags:8080/slow\" }"`
	Verify  *Look         `yaml:"verify" required:"true" doc:"The call that tells whether the fault is in effect."`
	OneShot bool          `yaml:"one_shot" doc:"There is nothing to undo: what inject does stays done."`
	Timeout time.Duration `yaml:"timeout" doc:"How long each call may take." default:"5s" min:"1ms" max:"20s"`
	Targets []string      `yaml:"targets" doc:"What is broken, for people and for safety.max_targets; the inject call when not given." example:"[the checkout's feature flags]"`
}

// A Call is one request: exactly one of its methods.
type Call struct {
	Get     string            `yaml:"get" doc:"The URL to GET."`
	Put     string            `yaml:"put" doc:"The URL to PUT to." example:"http://flags:8080/slow"`
	Post    string            `yaml:"post" doc:"The URL to POST to."`
	Patch   string            `yaml:"patch" doc:"The URL to PATCH."`
	Delete  string            `yaml:"delete" doc:"The URL to DELETE."`
	Headers map[string]string `yaml:"headers" doc:"Headers without secrets in them; they are written down." example:"{ X-Reason: game day }"`
	FromEnv map[string]string `yaml:"headers_from_env" doc:"Headers from environment variables: the name of one, after words that are sent as they are. The value is never written down." example:"{ Authorization: Bearer FLAG_TOKEN }"`
	JSON    any               `yaml:"json" doc:"Sent as JSON." example:"{ on: true }"`
	Body    string            `yaml:"body" doc:"Sent as it is."`
	Status  int               `yaml:"status" doc:"The status that says it worked; any 2xx when not given." min:"100" max:"599"`
}

// A Look is a GET whose answer tells in effect from gone.
type Look struct {
	Get     string            `yaml:"get" required:"true" doc:"The URL to GET." example:"http://flags:8080/slow"`
	Headers map[string]string `yaml:"headers" doc:"Headers without secrets in them; they are written down."`
	FromEnv map[string]string `yaml:"headers_from_env" doc:"Headers from environment variables, as for inject." example:"{ Authorization: Bearer FLAG_TOKEN }"`
	Active  *Answer           `yaml:"active" required:"true" doc:"The answer while the fault is in effect." example:"{ json: { $.on: true } }"`
	Gone    *Answer           `yaml:"gone" required:"true" doc:"The answer while it is not; an answer that is neither is an error." example:"{ status: 404 }"`
}

// An Answer is what an answer must have, all of it.
type Answer struct {
	Status int            `yaml:"status" json:"status,omitempty" doc:"The status; any 2xx when not given." min:"100" max:"599"`
	JSON   map[string]any `yaml:"json" json:"json,omitempty" doc:"Values in the JSON of the answer, by their paths." example:"{ $.on: true, \"$.replicas[0].name\": a }"`
	Body   string         `yaml:"body_contains" json:"body_contains,omitempty" doc:"Text that the answer holds."`
}

// Validate reports calls that are missing or make no sense, and secrets that
// would be written down.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.Inject == nil {
		report("inject", "the call is missing", `inject: { put: "http://flags:8080/slow", json: { on: true } }`)
	} else {
		c.Inject.validate("inject", report)
	}
	switch {
	case c.Undo == nil && !c.OneShot:
		report("undo", "nothing undoes it", "give an undo call, or say `one_shot: true` where what is done stays done")
	case c.Undo != nil && c.OneShot:
		report("undo", "a one-shot has nothing to undo", "remove undo or one_shot")
	case c.Undo != nil:
		c.Undo.validate("undo", report)
	}
	if c.Verify == nil {
		report("verify", "the call is missing", `verify: { get: "http://flags:8080/slow", active: { json: { $.on: true } }, gone: { status: 404 } }`)
	} else {
		c.Verify.validate(report)
	}
	if c.Timeout < 0 || c.Timeout > longestTimeout {
		report("timeout", fmt.Sprintf("it is not between 0s and %s", longestTimeout), "")
	}
}

func (c Call) validate(field string, report func(field, message, hint string)) {
	methods := c.methods()
	if len(methods) != 1 {
		report(field, fmt.Sprintf("exactly one of get, put, post, patch and delete is needed, and there are %d", len(methods)), `put: "http://flags:8080/slow"`)
	}
	for method, address := range methods {
		checkURL(field+"."+strings.ToLower(method), address, report)
	}
	checkHeaders(field, c.Headers, c.FromEnv, report)
	if c.JSON != nil && c.Body != "" {
		report(field+".body", "there is json too, and only one of them can be sent", "remove json or body")
	}
	if c.Status != 0 && (c.Status < 100 || c.Status > 599) {
		report(field+".status", fmt.Sprintf("%d is no status", c.Status), "")
	}
}

func (l Look) validate(report func(field, message, hint string)) {
	checkURL("verify.get", l.Get, report)
	checkHeaders("verify", l.Headers, l.FromEnv, report)
	for field, a := range map[string]*Answer{"verify.active": l.Active, "verify.gone": l.Gone} {
		if a == nil || a.Status == 0 && len(a.JSON) == 0 && a.Body == "" {
			report(field, "it does not say what the answer is like", "give status, json or body_contains")
			continue
		}
		for src := range a.JSON {
			if _, err := jsonpath.Parse(src); err != nil {
				report(field+".json", err.Error(), jsonpath.Hint)
			}
		}
	}
}

// methods are those given: method to URL.
func (c Call) methods() map[string]string {
	methods := map[string]string{
		nethttp.MethodGet: c.Get, nethttp.MethodPut: c.Put, nethttp.MethodPost: c.Post,
		nethttp.MethodPatch: c.Patch, nethttp.MethodDelete: c.Delete,
	}
	maps.DeleteFunc(methods, func(_, address string) bool { return address == "" })
	return methods
}

// only is the one method given; Validate or New has made sure of it.
func (c Call) only() (method, address string) {
	for method, address = range c.methods() {
		break
	}
	return method, address
}

func checkURL(field, text string, report func(field, message, hint string)) {
	const hint = "write it as http://HOST:PORT/PATH"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		report(field, "it is not a URL", hint) // err would repeat it, and a password in it
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		report(field, "it is not a URL that HTTP can reach", hint)
	case u.User != nil:
		report(field, "it holds a user or a password, which would be written to the receipt", "use headers_from_env: { Authorization: Basic NAME }")
	}
}

// secretHeaders usually hold a secret.
func secretHeaders() []string {
	return []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Vault-Token", "Private-Token"}
}

func checkHeaders(field string, plain, fromEnv map[string]string, report func(field, message, hint string)) {
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		if slices.Contains(secretHeaders(), nethttp.CanonicalHeaderKey(name)) {
			report(field+".headers", name+" holds a secret, which would be written to the receipt",
				fmt.Sprintf("use headers_from_env: { %s: NAME }, with the name of an environment variable", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fromEnv)) {
		if _, variable := splitReference(fromEnv[name]); !goodName(variable) {
			report(field+".headers_from_env", name+" does not end with the name of an environment variable", "write FLAG_TOKEN or Bearer FLAG_TOKEN: no $, no value")
		}
	}
}

// splitReference takes "Bearer FLAG_TOKEN" apart, into what is sent as it is
// and the name of a variable.
func splitReference(text string) (before, variable string) {
	i := strings.LastIndexByte(text, ' ') + 1
	return text[:i], text[i:]
}

// goodName says whether a text can name an environment variable.
func goodName(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// What says what the fault does: "PUT http://flags:8080/slow".
func What(c Config) string {
	if c.Inject == nil {
		return "nothing"
	}
	method, address := c.Inject.only()
	return method + " " + bare(address)
}

// bare is a URL without its query, for people.
func bare(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address
}

// OneShot is true where the configuration says that there is nothing to undo.
func OneShot(c Config) bool { return c.OneShot }

// New makes the fault; it calls nothing. Addresses outside the target are
// refused where the target is known already.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, fmt.Errorf("%s: %s", field, message))
	})
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	f := &fault{name: env.Fault, config: c, allow: env.Allow, pause: firstPause}
	if env.Allow != nil {
		if err := f.allowed(); err != nil {
			return nil, fmt.Errorf("make fault %s: %w", env.Fault, err)
		}
	}
	return f, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{pause: firstPause} }

// fault is one fault by calls; made by Mend it has receipts only.
type fault struct {
	name   string
	config Config
	allow  func(address string) error
	pause  time.Duration // before an undo is tried again
}

// address is the host and port that a URL leads to.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
