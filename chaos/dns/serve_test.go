package dns

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

// hang bounds what would otherwise hang for ever; no test expects it.
const hang = 20 * time.Second

// A served process runs within the test's.
type served struct {
	lifeline *io.PipeWriter
	control  Control
	ended    chan error
}

// serveOne serves one resolver whose upstream is never there.
func serveOne(t *testing.T) served {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	orders, lifeline := io.Pipe()
	answer, told := io.Pipe()
	s := served{lifeline: lifeline, ended: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.ended <- serve(ctx, orders, told)
	}()
	t.Cleanup(func() {
		cancel()
		_ = lifeline.Close()
		<-finished
		goleak.VerifyNone(t, ignore)
	})
	if _, err := io.WriteString(lifeline, `{"dir":`+quote(t.TempDir())+`,"boxes":{"r":{"listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}}}`+"\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(answer).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Error string
		Boxes map[string]Control
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Error != "" {
		t.Fatalf("it says %q: %v", line, err)
	}
	s.control = r.Boxes["r"]
	return s
}

func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	t.Cleanup(cancel)
	return ctx
}

var refusal1 = injection{Rule: Rule{Names: []Pattern{"*"}, Fail: failRefused, Share: 1}, TTL: time.Hour}

// await polls the resolver's state until it is as wanted.
func (s served) await(t *testing.T, wanted func(State) bool) State {
	t.Helper()
	ctx := bounded(t)
	for {
		state, err := s.control.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if wanted(state) {
			return state
		}
	}
}

// When brunt is gone, its faults go, no more are taken, and queries are still
// forwarded until the run would have ended.
func TestOrphan(t *testing.T) {
	s := serveOne(t)
	if _, err := s.control.client().Set(bounded(t), "x-1", refusal1); err != nil {
		t.Fatal(err)
	}
	_ = s.lifeline.Close() // as the kernel does for the dead
	state := s.await(t, func(state State) bool { return state.Orphan })
	s.await(t, func(state State) bool { return len(state.Rules) == 0 })
	if _, err := s.control.client().Set(bounded(t), "x-2", refusal1); err == nil || !strings.Contains(err.Error(), "breaks nothing any more") {
		t.Errorf("inject into an orphan: %v", err)
	}
	o, err := observe(bounded(t), state.Listen, "a.b", dnsmessage.TypeA, hang)
	if err != nil || o.code != dnsmessage.RCodeServerFailure {
		t.Errorf("an orphan without upstream answers %+v, %v", o, err)
	}
}

// The run's end ends an orphan.
func TestOrphanEnds(t *testing.T) {
	s := serveOne(t)
	if _, err := io.WriteString(s.lifeline, "pass 0s\n"); err != nil {
		t.Fatal(err)
	}
	_ = s.lifeline.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if _, err := s.control.State(bounded(t)); err == nil {
		t.Error("it still answers")
	}
}

func TestStop(t *testing.T) {
	s := serveOne(t)
	if _, err := io.WriteString(s.lifeline, "stop\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// A rule goes away by itself, whatever becomes of brunt.
func TestExpiry(t *testing.T) {
	s := serveOne(t)
	short := refusal1
	short.TTL = time.Millisecond
	if _, err := s.control.client().Set(bounded(t), "x-1", short); err != nil {
		t.Fatal(err)
	}
	s.await(t, func(state State) bool { return len(state.Rules) == 0 })
}

// The control socket refuses strangers and nonsense.
func TestControlRefuses(t *testing.T) {
	s := serveOne(t)
	for _, test := range []struct {
		name, method, path, body, token string
		status                          int
	}{
		{"wrong token", http.MethodGet, "/boxes/r", "", "guess", http.StatusUnauthorized},
		{"no such resolver", http.MethodGet, "/boxes/q", "", s.control.Token, http.StatusNotFound},
		{"not JSON", http.MethodPut, "/boxes/r/owners/x", "{", s.control.Token, http.StatusBadRequest},
		{"no ttl", http.MethodPut, "/boxes/r/owners/x", `{"rule":{"names":["*"],"fail":"refused","share":1}}`, s.control.Token, http.StatusBadRequest},
		{"unknown field", http.MethodPut, "/boxes/r/owners/x", `{"rule":{"names":["*"],"fial":"refused","share":1},"ttl_ns":1}`, s.control.Token, http.StatusBadRequest},
		{"no rule", http.MethodPut, "/boxes/r/owners/x", `{"rule":{"names":["*"],"share":1},"ttl_ns":1}`, s.control.Token, http.StatusBadRequest},
		{"caches would keep it", http.MethodPut, "/boxes/r/owners/x", `{"rule":{"names":["*"],"fail":"refused","share":1,"answer_ttl_ns":60000000000},"ttl_ns":1}`, s.control.Token, http.StatusBadRequest},
		{"not canonical", http.MethodPut, "/boxes/r/owners/x", `{"rule":{"names":["A."],"fail":"refused","share":1},"ttl_ns":1}`, s.control.Token, http.StatusBadRequest},
	} {
		request, err := http.NewRequestWithContext(bounded(t), test.method, "http://"+s.control.Address+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+test.token)
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("%s: %s, want %d", test.name, response.Status, test.status)
		}
	}
}

// What is no query passes through, and a query without an upstream fails as
// its upstream would.
func TestNoUpstream(t *testing.T) {
	s := serveOne(t)
	o, err := observe(bounded(t), s.control.Listen, "a.b", dnsmessage.TypeA, hang)
	if err != nil || o.code != dnsmessage.RCodeServerFailure {
		t.Errorf("%+v, %v", o, err)
	}
	conn, err := net.Dial("udp", s.control.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, junk := range []string{"", "x", strings.Repeat("\xff", 40)} {
		if _, err := io.WriteString(conn, junk); err != nil && !errors.Is(err, io.ErrShortWrite) {
			t.Fatal(err)
		}
	}
	// It lives on.
	if _, err := s.control.State(bounded(t)); err != nil {
		t.Error(err)
	}
}
