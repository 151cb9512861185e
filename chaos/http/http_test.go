package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

func TestMain(m *testing.M) { chaostest.Main(m, Kind, Mend) }

// A flags server holds one flag, /slow, and answers as it is told.
type flags struct {
	*httptest.Server
	mu       sync.Mutex
	on       bool
	answers  []int // the status of the next calls that change something, before they do
	requests []string
	header   nethttp.Header // of the last call
}

func serve(t *testing.T) *flags {
	f := &flags{}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *flags) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	f.requests = append(f.requests, r.Method+" "+r.URL.String()+" "+string(body))
	f.header = r.Header
	if r.Method != nethttp.MethodGet && len(f.answers) > 0 {
		status := f.answers[0]
		f.answers = f.answers[1:]
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		fmt.Fprint(w, "no, ", r.Header.Get("Authorization"))
		return
	}
	switch r.Method {
	case nethttp.MethodPut:
		f.on = true
	case nethttp.MethodDelete:
		if !f.on {
			w.WriteHeader(nethttp.StatusNotFound)
		}
		f.on = false
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"on": f.on, "count": 1})
	}
}

func (f *flags) look(*testing.T) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint("on: ", f.on)
}

// answer sets the answers of the next calls that change something.
func (f *flags) answer(statuses ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers, f.requests = statuses, nil
}

// changes are the calls since answer that would change something.
func (f *flags) changes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var calls []string
	for _, r := range f.requests {
		if !strings.HasPrefix(r, "GET") {
			calls = append(calls, r)
		}
	}
	return calls
}

func (f *flags) host() string { return strings.TrimPrefix(f.URL, "http://") }

// config is a fault that sets the flag.
func (f *flags) config() Config {
	return Config{
		Inject: &Call{Put: f.URL + "/slow", JSON: map[string]any{"on": true}},
		Undo:   &Call{Delete: f.URL + "/slow"},
		Verify: &Look{
			Get:    f.URL + "/slow",
			Active: &Answer{JSON: map[string]any{"$.on": true, "$.count": int64(1)}},
			Gone:   &Answer{JSON: map[string]any{"$.on": false}},
		},
	}
}

// only allows one address.
func only(host string) chaos.Env {
	return chaos.Env{Fault: "slow", Allow: func(address string) error {
		if address != host {
			return fmt.Errorf("%s is outside the target", address)
		}
		return nil
	}}
}

func newFault(t *testing.T, c Config, env chaos.Env) chaos.Fault {
	t.Helper()
	fault, err := New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(*flags, *Config)
		spoil      func(*flags)
		oneProcess bool
	}{
		{name: "a flag", change: func(*flags, *Config) {}},
		{name: "one-shot", oneProcess: true, change: func(_ *flags, c *Config) { c.Undo, c.OneShot = nil, true }},
		{
			// The call is made, and answered badly all the same.
			name: "half-way", oneProcess: true,
			change: func(*flags, *Config) {},
			spoil: func(f *flags) {
				f.answer(nethttp.StatusInternalServerError)
				f.mu.Lock()
				f.on = true
				f.mu.Unlock()
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: Kind, Mend: Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					f := serve(t)
					config := f.config()
					test.change(f, &config)
					if OneShot(config) != config.OneShot {
						t.Error("OneShot does not say so")
					}
					target := chaostest.Target{Fault: newFault(t, config, only(f.host())), Look: f.look}
					if test.spoil != nil {
						before := target.Look
						spoiled := false
						target.Spoil = func(*testing.T) { test.spoil(f); spoiled = true }
						target.Look = func(t *testing.T) string {
							if spoiled { // what undo must restore is the flag as it was before
								spoiled = false
								return "on: false"
							}
							return before(t)
						}
					}
					return target
				},
			})
		})
	}
}

func prepared(t *testing.T, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// The token reaches the server, and neither the receipt nor a message.
func TestSecrets(t *testing.T) {
	const secret = "s3cr3t-t0ken"
	t.Setenv("FLAG_TOKEN", secret)
	f := serve(t)
	config := f.config()
	config.Inject.FromEnv = map[string]string{"Authorization": "Bearer FLAG_TOKEN"}
	config.Undo.FromEnv = map[string]string{"Authorization": "FLAG_TOKEN"}
	fault := newFault(t, config, only(f.host()))
	receipt := prepared(t, fault)
	text, err := json.Marshal(receipt)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) || !strings.Contains(string(text), "FLAG_TOKEN") {
		t.Errorf("the receipt is %s", text)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if got := f.header.Get("Authorization"); got != "Bearer "+secret {
		t.Errorf("the server saw %q", got)
	}
	f.answer(nethttp.StatusForbidden)
	err = Mend().Undo(t.Context(), receipt)
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "${FLAG_TOKEN}") {
		t.Errorf("undo: %v", err)
	}

	t.Setenv("FLAG_TOKEN", "") // as in another shell
	if err := Mend().Undo(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "FLAG_TOKEN") {
		t.Errorf("undo without the variable: %v", err)
	}
	if err := Mend().Inject(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "FLAG_TOKEN") {
		t.Errorf("inject without the variable: %v", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Setenv("SHOP_PASSWORD", "correct horse")
	f := serve(t)
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a secret in the body":       {func(c *Config) { c.Inject.JSON = map[string]any{"password": "correct horse"} }, "SHOP_PASSWORD"},
		"a secret in the URL":        {func(c *Config) { c.Undo.Delete += "?password=correct+horse" }, "SHOP_PASSWORD"},
		"a secret in a header":       {func(c *Config) { c.Verify.Headers = map[string]string{"X-P": "correct horse"} }, "SHOP_PASSWORD"},
		"a variable that is not set": {func(c *Config) { c.Undo.FromEnv = map[string]string{"X-T": "NO_SUCH_VARIABLE"} }, "NO_SUCH_VARIABLE"},
		"in effect already":          {func(c *Config) { c.Verify.Active.JSON = map[string]any{"$.on": false}; c.Verify.Gone.Status = 404 }, "not to be in effect"},
		"an answer that is neither":  {func(c *Config) { c.Verify.Gone = &Answer{Status: 404} }, "neither"},
		"an answer that is both":     {func(c *Config) { c.Verify.Active = &Answer{Status: 200} }, "do not tell one from the other"},
	} {
		config := f.config()
		test.change(&config)
		_, err := newFault(t, config, only(f.host())).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "correct") {
			t.Errorf("%s: the secret is in %q", name, err)
		}
	}
}

func TestOutsideTheTarget(t *testing.T) {
	f := serve(t)
	if _, err := New(f.config(), only("127.0.0.1:1")); err == nil || !strings.Contains(err.Error(), "outside the target") {
		t.Errorf("new: %v", err)
	}
	// Nil allows nothing, and that is seen before anything is called.
	if _, err := newFault(t, f.config(), chaos.Env{Fault: "slow"}).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "outside the target") {
		t.Errorf("prepare: %v", err)
	}
	if len(f.requests) > 0 {
		t.Errorf("called %q", f.requests)
	}
	// A receipt leads nowhere but where the target allowed.
	receipt := prepared(t, newFault(t, f.config(), only(f.host())))
	f.answer()
	receipt.Data = []byte(strings.ReplaceAll(string(receipt.Data), `"hosts":["`+f.host(), `"hosts":["127.0.0.1:1`))
	if err := Mend().Undo(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "outside the target") {
		t.Errorf("undo: %v", err)
	}
	if got := f.changes(); len(got) > 0 {
		t.Errorf("called %q", got)
	}
}

func TestUndo(t *testing.T) {
	for name, test := range map[string]struct {
		answers []int
		calls   int
		err     string
	}{
		"at once":                         {nil, 1, ""},
		"gone already":                    {[]int{404}, 1, ""},
		"gone for good":                   {[]int{410}, 1, ""},
		"after it was down":               {[]int{503, 500, 429}, 4, ""},
		"a refusal":                       {[]int{403}, 1, "403 Forbidden"},
		"redirected, which is not obeyed": {[]int{302}, 1, "redirects are not followed"},
	} {
		f := serve(t)
		broken := newFault(t, f.config(), only(f.host()))
		receipt := prepared(t, broken)
		if err := broken.Inject(t.Context(), receipt); err != nil {
			t.Fatal(err)
		}
		f.answer(test.answers...)
		err := (&fault{pause: time.Millisecond}).Undo(t.Context(), receipt)
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: undo: %v; want %q", name, err, test.err)
		}
		if got := f.changes(); len(got) != test.calls {
			t.Errorf("%s: calls %q, want %d", name, got, test.calls)
		}
	}
}

// A server that does not answer is waited for no longer than the time limit.
func TestTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f := flags{Server: &httptest.Server{URL: "http://" + listener.Addr().String()}}
	config := f.config()
	config.Timeout = 20 * time.Millisecond
	_, err = newFault(t, config, only(f.host())).Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("prepare: %v", err)
	}
}

// A server that has gone says neither active nor gone.
func TestServerGone(t *testing.T) {
	f := serve(t)
	fault := newFault(t, f.config(), only(f.host()))
	receipt := prepared(t, fault)
	f.Close()
	if state, err := fault.Verify(t.Context(), receipt); err == nil || state != "" {
		t.Errorf("verify: %s, %v", state, err)
	}
	if err := fault.Inject(t.Context(), receipt); err == nil {
		t.Error("inject: no error")
	}
}

// What is sent: method, body, headers.
func TestRequest(t *testing.T) {
	f := serve(t)
	config := f.config()
	config.Inject.Headers = map[string]string{"X-Reason": "game day"}
	fault := newFault(t, config, only(f.host()))
	receipt := prepared(t, fault)
	f.answer()
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if got := f.changes(); len(got) != 1 || got[0] != `PUT /slow {"on":true}` {
		t.Errorf("called %q", got)
	}
	for name, want := range map[string]string{"X-Reason": "game day", "Content-Type": "application/json", "User-Agent": "brunt"} {
		if got := f.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	f.answer(nethttp.StatusAccepted)
	config.Inject.Status = nethttp.StatusCreated
	fault = newFault(t, config, only(f.host()))
	f.mu.Lock()
	f.on = false
	f.mu.Unlock()
	if err := fault.Inject(t.Context(), prepared(t, fault)); err == nil || !strings.Contains(err.Error(), "202") || errors.Is(err, chaos.ErrConflict) {
		t.Errorf("inject answered with another status: %v", err)
	}
}
