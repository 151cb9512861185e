package http

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/generators"
)

func TestStepNames(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []Step
		want  []string
	}{
		{"method and path", []Step{{Get: "/products/list.json?page=1"}}, []string{"get-products-list.json"}},
		{"root", []Step{{Get: "/"}, {Post: "https://a.test"}, {Get: "?q"}}, []string{"get", "post", "get-2"}},
		{"URL", []Step{{Put: "https://a.test:80/x/y/"}}, []string{"put-x-y"}},
		{"expressions", []Step{{Get: "/u/${users.id}/x${rand(1,40)}-${uuid()}/end"}, {Get: "${next}"}}, []string{"get-u-users.id-x-rand-uuid-end", "get-next"}},
		{"think times have none", []Step{{Get: "/a"}, {Think: "1s"}, {Get: "/b"}}, []string{"get-a", "get-b"}},
		{"unique", []Step{{Get: "/a"}, {Get: "/a"}, {Get: "/x", Name: "get-a-2"}, {Get: "/a"}}, []string{"get-a", "get-a-3", "get-a-2", "get-a-4"}},
		{"characters", []Step{{Get: "/ä ö//%20,;"}}, []string{"get-20"}},
		{"long", []Step{{Get: "/" + strings.Repeat("a", 100)}}, []string{"get-" + strings.Repeat("a", maxName-4)}},
		{"wrong, but named", []Step{{}}, []string{"request"}},
	} {
		got := Steps(Config{Steps: test.steps})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if got := Steps(Config{Post: "/x", Name: "order"}); !slices.Equal(got, []string{"order"}) {
		t.Errorf("shorthand: %q", got)
	}
}

// What is wrong with a configuration, with its place.
func TestValidate(t *testing.T) {
	steps := func(s ...Step) Config { return Config{Base: "http://a.test", Steps: s} }
	for _, test := range []struct {
		name   string
		config Config
		want   []string // "field: part of the message"
	}{
		{"a single request", Config{Get: "http://a.test/"}, nil},
		{"a flow", steps(Step{Get: "/", Extract: map[string]string{"a": "$.b"}}, Step{Think: "uniform(1s, 3s)"}, Step{Post: "/${a}"}), nil},
		{"nothing", Config{}, []string{": nothing to request"}},
		{"only pauses", steps(Step{Think: "1s"}), []string{"steps: no request"}},
		{"no base", Config{Get: "/"}, []string{"get: base"}},
		{"base with a query", Config{Base: "http://a.test?x", Get: "/"}, []string{"base: no query"}},
		{"base of a run", Config{Base: "http://${h}/", Get: "/"}, []string{"base: expressions", "get: no step before"}},
		{"base without a scheme", Config{Base: "a.test", Get: "/"}, []string{"base: ", "get: "}},
		{"protocol", Config{Protocol: "h4", Get: "http://a.test"}, []string{"protocol: h3"}},
		{"h3 without TLS", Config{Protocol: "h3", Get: "http://a.test"}, []string{"get: https"}},
		{"h2 without TLS", Config{Protocol: "h2", Get: "http://a.test"}, []string{"get: h2c"}},
		{"h2c with TLS", Config{Protocol: "h2c", Get: "https://a.test"}, []string{"get: use h2"}},
		{"negative numbers", Config{Get: "http://a.test", Timeout: -1, Redirects: -1, MaxBody: -1, Connections: Connections{Max: -1}},
			[]string{"timeout: negative", "redirects: negative", "max_body: negative", "connections: negative", "timeout: negative"}},
		{"certificate without key", Config{Get: "http://a.test", TLS: TLS{Cert: "c.pem", MinVersion: "2"}}, []string{"tls: key", "tls.min_version: 1.3"}},
		{"shorthand beside steps", Config{Base: "http://a.test", Get: "/", Check: &Check{}, Steps: []Step{{Get: "/"}}}, []string{"get: without steps", "check: without steps"}},
		{"two methods", steps(Step{Get: "/", Post: "/"}), []string{"steps[0].post: one request"}},
		{"no method", steps(Step{Get: "/"}, Step{Name: "x"}), []string{"steps[1]: nothing to request"}},
		{"request and pause", steps(Step{Get: "/"}, Step{Get: "/", Think: "1s"}), []string{"steps[1]: not both"}},
		{"pause", steps(Step{Get: "/"}, Step{Think: "soon"}), []string{"steps[1].think: not a duration"}},
		{"two bodies", steps(Step{Post: "/", Body: "x", JSON: "y"}), []string{"steps[0]: one body"}},
		{"names", steps(Step{Get: "/", Name: "a/b"}, Step{Get: "/", Name: "c"}, Step{Get: "/", Name: "c"}), []string{"steps[0].name: cannot hold '/'", `steps[2].name: two steps are named "c"`}},
		{"template", steps(Step{Get: "/${"}), []string{"steps[0].get: "}},
		{"templates elsewhere", steps(Step{Post: "/", Headers: map[string]string{"X": "${"}, Query: map[string]string{"q": "${"}, Form: map[string]string{"f": "${"}}),
			[]string{"steps[0].query: ", "steps[0].form: ", "steps[0].headers.X: "}},
		{"template in JSON", steps(Step{Post: "/", JSON: []any{map[string]any{"a": "${"}}}), []string{"steps[0].json: "}},
		{"variable that is not there", steps(Step{Get: "/${x}", Extract: map[string]string{"x": "status"}}), []string{"steps[0].get: no step before this one extracts x"}},
		{"headers that are not the user's", Config{Get: "http://a.test", Headers: map[string]string{"content-length": "1", "Connection": "close", "a b": "", "X": "a\nb"}},
			[]string{"headers.Connection: connections", "headers.X: line breaks", "headers.a b: cannot hold", "headers.content-length: length"}},
		{"extractions", steps(Step{Get: "/", Extract: map[string]string{"1": "status", "b": "body", "c": "$.", "d": "regexp:(", "e": "header:"}}),
			[]string{"steps[0].extract.1: name of a variable", "steps[0].extract.b: nothing that can be extracted", "steps[0].extract.c: JSON path", "steps[0].extract.d: missing closing", "steps[0].extract.e: nothing that can be"}},
		{"checks", steps(Step{Get: "/", Check: &Check{Status: "2x", BodyContains: "${", BodyMatches: "(", JSON: map[string]any{"a": 1, "$.b": "${"}, Header: map[string]string{"X": "${"}, Time: "fast", Size: "< x"}}),
			[]string{"steps[0].check.status: 2x", "steps[0].check.body_contains: ", "steps[0].check.body_matches: missing", "steps[0].check.json.$.b: ", "steps[0].check.json.a: begins with $", "steps[0].check.header: ", "steps[0].check.time: < 2s", "steps[0].check.size: < 10KiB"}},
		{"versions of TLS", Config{Get: "https://a.test", TLS: TLS{MinVersion: "1.3", MaxVersion: "1.2"}}, []string{"tls.max_version: older than the oldest, 1.3"}},
		{"an oldest version by default", Config{Get: "https://a.test", TLS: TLS{MaxVersion: "1.1"}}, []string{"tls.max_version: lower min_version"}},
		{"newest version unknown", Config{Get: "https://a.test", TLS: TLS{MaxVersion: "2"}}, []string{"tls.max_version: 1.3"}},
		{"h3 without TLS 1.3", Config{Get: "https://a.test", Protocol: "h3", TLS: TLS{MaxVersion: "1.2"}}, []string{"tls.max_version: needs TLS 1.3"}},
		{"h2 without TLS 1.2", Config{Get: "https://a.test", Protocol: "h2", TLS: TLS{MinVersion: "1.0", MaxVersion: "1.1"}}, []string{"tls.max_version: protocol: h1"}},
		{"h3 by proxy and by socket", Config{Get: "https://a.test", Protocol: "h3", Proxy: "http://p:1", Unix: "/s"},
			[]string{"unix: UDP", "proxy: UDP", "unix: through a proxy"}},
		{"a socket and another way", Config{Get: "http://a.test", Unix: "/s", Source: []string{"10.0.0.1"}, ConnectTo: map[string][]string{"a.test:80": {"10.0.0.1:80"}}},
			[]string{"unix: connect_to would do nothing", "unix: no source address"}},
		{"a proxy and connect_to", Config{Get: "http://a.test", Proxy: "socks5://p:1", ConnectTo: map[string][]string{"a.test:80": {"10.0.0.1:80"}}},
			[]string{"connect_to: keep one of connect_to and proxy"}},
		{"socket", Config{Get: "http://a.test", Unix: "app.sock"}, []string{"unix: whole path"}},
		{"socket far away", Config{Get: "http://a.test", Unix: "/" + strings.Repeat("a", 107)}, []string{"unix: at most 107 bytes"}},
		{"proxy", Config{Get: "http://a.test", Proxy: "https://p:1"}, []string{"proxy: socks5://"}},
		{"sources", Config{Get: "http://a.test", Source: []string{"10.0.0.1", "10.0.0.1:80", "eth0"}}, []string{"source[1]: without a port", "source[2]: not an IP address"}},
		{"connect_to", Config{Get: "http://a.test", ConnectTo: map[string][]string{"a.test": {"b.test:1"}, "b.test:80": {}, "c.test:80": {"10.0.0.1", "10.0.0.1:99999"}, "D.test:80": {"10.0.0.1:80"}, "d.test.:80": {"10.0.0.1:80"}}},
			[]string{`connect_to: "a.test" is not host:port`, "connect_to.b.test:80: no address", `connect_to.c.test:80: "10.0.0.1" is not`, `connect_to.c.test:80: "10.0.0.1:99999" is not`, "connect_to.d.test.:80: given twice"}},
		{"check at the kind's level", Config{Get: "http://a.test", Check: &Check{Status: true}}, []string{"check.status: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			test.config.Validate(func(field, message, hint string) { got = append(got, field+": "+message+" "+hint) })
			if len(got) != len(test.want) {
				t.Fatalf("problems:\n%s\nwant %d", strings.Join(got, "\n"), len(test.want))
			}
			for i, want := range test.want {
				field, text, _ := strings.Cut(want, ": ")
				if !strings.HasPrefix(got[i], field+": ") || !strings.Contains(got[i], text) {
					t.Errorf("problem %d: %q, want %q", i, got[i], want)
				}
				if strings.Contains(got[i], "map[") || strings.Contains(got[i], "0x") {
					t.Errorf("problem %d shows a Go value: %q", i, got[i])
				}
			}
			_, err := New(test.config, generators.Env{Allow: everywhere})
			if (err != nil) != (len(test.want) > 0) {
				t.Errorf("New: %v", err)
			}
		})
	}
	_, err := New(Config{Get: "http://a.test/${users.nam}"}, generators.Env{Feeds: map[string]*generators.Feed{"users": feedOf(t, "users", []string{"name"}, []string{"x"})}})
	if err == nil || !strings.Contains(err.Error(), "no column nam (it has name)") {
		t.Errorf("unknown column: %v", err)
	}
	_, err = New(Config{Get: "http://a.test/${people.name}"}, generators.Env{})
	if err == nil || !strings.Contains(err.Error(), "no data feed people") {
		t.Errorf("unknown feed: %v", err)
	}
	_, err = New(Config{Get: "https://a.test/", TLS: TLS{CA: "no/such/file"}}, generators.Env{})
	if err == nil || !strings.Contains(err.Error(), "tls.ca") {
		t.Errorf("missing file: %v", err)
	}
}

func TestThink(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		src      string
		p50, p95 time.Duration // 0: not looked at
	}{
		{"2s", 2 * time.Second, 2 * time.Second},
		{"lognormal(p50=2s, p95=8s)", 2 * time.Second, 8 * time.Second},
		{"lognormal( p95=8s,p50=2s )", 2 * time.Second, 8 * time.Second},
		{"lognormal(2s, 2s)", 2 * time.Second, 2 * time.Second},
		{"exponential(mean=1s)", 693 * time.Millisecond, 2996 * time.Millisecond}, // ln 2 and ln 20
		{"uniform(1s, 3s)", 2 * time.Second, 2900 * time.Millisecond},
		{"uniform(0s, 0s)", 0, 0},
	} {
		draw, err := parseThink(test.src)
		if err != nil {
			t.Errorf("%s: %v", test.src, err)
			continue
		}
		draws := make([]time.Duration, 20000)
		for i := range draws {
			draws[i] = draw(rng)
		}
		slices.Sort(draws)
		for _, q := range []struct {
			at   int
			want time.Duration
		}{{10000, test.p50}, {19000, test.p95}} {
			if off := (draws[q.at] - q.want).Abs(); off > q.want/20 {
				t.Errorf("%s: quantile %d is %v, want %v", test.src, q.at/200, draws[q.at], q.want)
			}
		}
		if draws[0] < 0 || draws[len(draws)-1] > maxThink {
			t.Errorf("%s: from %v to %v", test.src, draws[0], draws[len(draws)-1])
		}
	}
	for _, src := range []string{"", "2", "-1s", "2h", "normal(1s)", "uniform(1s)", "uniform(3s,1s)", "lognormal(p50=8s,p95=2s)", "lognormal(p50=1s,p50=2s)",
		"lognormal(p50=0s,p95=1s)", "exponential(median=1s)", "exponential(1s", "exponential()", "uniform(1s,2s,3s)"} {
		if _, err := parseThink(src); err == nil {
			t.Errorf("%q is accepted", src)
		}
	}
}

// A pause counts from when the step before ended: what it overshoots is wait.
func TestThinkStamps(t *testing.T) {
	url, _ := recorder(t)
	s := open(t, Config{Base: url, Steps: []Step{{Get: "/a"}, {Think: "1ms"}, {Think: "1ms"}, {Get: "/b"}, {Think: "1ms"}}})
	r := s.Do(t.Context(), generators.Arrival{Due: time.Now()})
	if len(r.Ops) != 2 {
		t.Fatalf("%d operations", len(r.Ops))
	}
	if due := r.Ops[1].Due.Sub(r.Ops[0].Ended); due != 2*time.Millisecond {
		t.Errorf("the second request is due %v after the first ended, want 2ms", due)
	}
	if time.Since(r.Ops[1].Ended) < time.Millisecond {
		t.Error("the last pause was left out")
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{}
		start := time.Now()
		if !s.sleep(t.Context(), start, 3*time.Second) || time.Since(start) != 3*time.Second {
			t.Errorf("slept %v, want 3s", time.Since(start))
		}
		// A pause that is over already.
		if !s.sleep(t.Context(), start, time.Second) || time.Since(start) != 3*time.Second {
			t.Errorf("slept %v, want no more", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if s.sleep(ctx, time.Now(), time.Minute) || time.Since(start) != 4*time.Second {
			t.Errorf("slept %v past the end of the context", time.Since(start))
		}
		if s.sleep(ctx, start, time.Second) {
			t.Error("went on after the end of the context")
		}
	})
}

// A think time before the first request, cut short, is one canceled operation.
func TestCanceledThinking(t *testing.T) {
	g, err := New(Config{Base: "http://127.0.0.1:1", Steps: []Step{{Think: "1h"}, {Get: "/"}}}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := g.Open(t.Context(), 0)
	defer s.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("over"))
	defer cancel()
	op := onceIn(t, ctx, s)
	if op.Class != generators.Canceled || fmt.Sprint(op.Err) != "over" {
		t.Errorf("class %s (%v)", op.Class, op.Err)
	}
}

func TestStatuses(t *testing.T) {
	for _, test := range []struct {
		want any
		ok   []int
		not  []int
	}{
		{nil, []int{100, 200, 399}, []int{400, 503}},
		{201, []int{201}, []int{200, 404}},
		{int64(404), []int{404}, []int{200}},
		{"2xx", []int{200, 299}, []int{199, 300}},
		{"5XX", []int{500}, []int{200}},
		{[]any{uint64(200), "3xx"}, []int{200, 302}, []int{201, 400}},
	} {
		ranges, err := statusRanges(test.want)
		if err != nil {
			t.Errorf("%v: %v", test.want, err)
		}
		e := expectation{statuses: ranges}
		for _, s := range test.ok {
			if !e.statusOK(s) {
				t.Errorf("%v refuses %d", test.want, s)
			}
		}
		for _, s := range test.not {
			if e.statusOK(s) {
				t.Errorf("%v accepts %d", test.want, s)
			}
		}
	}
	for _, bad := range []any{"", "2x", "xx", 99, 600, 2000, "200.5", true, []any{}, []any{[]any{200}}, map[string]any{}} {
		if _, err := statusRanges(bad); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		src  string
		ok   int64
		fail int64 // -1: nothing fails
	}{
		{"< 10KiB", 10239, 10240}, {"<= 1kB", 1000, 1001}, {"1 MB", 1e6, 1e6 + 1}, {"> 0", 1, 0}, {">= 1.5KiB", 1536, 1535}, {"== 5B", 5, 6}, {"<1GiB", 0, 1 << 30},
	} {
		b, err := parseBound(test.src, parseBytes)
		if err != nil {
			t.Errorf("%q: %v", test.src, err)
			continue
		}
		if !b.holds(test.ok) || b.holds(test.fail) {
			t.Errorf("%q: %d %v, %d %v", test.src, test.ok, b.holds(test.ok), test.fail, b.holds(test.fail))
		}
	}
	for _, bad := range []string{"", "<", "< -1B", "x", "10 parsecs", "< 1e300GiB", "NaN", "=< 5"} {
		if b, err := parseBound(bad, parseBytes); err == nil {
			t.Errorf("%q is accepted as %+v", bad, b)
		}
	}
}

// FuzzThink: what is accepted draws within bounds.
func FuzzThink(f *testing.F) {
	for _, seed := range []string{"2s", "lognormal(p50=2s, p95=8s)", "exponential(mean=1s)", "uniform(1s, 3s)", "uniform(1s", "x(=)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		draw, err := parseThink(src)
		if err != nil {
			return
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			if d := draw(rng); d < 0 || d > maxThink {
				t.Fatalf("%q draws %v", src, d)
			}
		}
	})
}

// FuzzLink: whatever a URL looks like, what is sent is one request line.
func FuzzLink(f *testing.F) {
	f.Add("http://a.test", "/x?${v}", "a b&c")
	f.Add("", "${v}", "http://b.test/ü#x")
	f.Add("", "https://[::1]:1/a${v}", "\r\nX: y")
	f.Fuzz(func(t *testing.T, base, ref, value string) {
		l, err := newLink(base, ref)
		if err != nil {
			return
		}
		sc := scratch{buffers: new(buffers)}
		var m message
		if err := sc.renderTarget(&m, &l, base, generators.Scope{Vars: map[string]string{"v": value}, Rand: rand.New(rand.NewPCG(1, 2))}); err != nil {
			return
		}
		if len(m.target) == 0 || m.target[0] != '/' {
			t.Fatalf("target %q does not begin with a slash", m.target)
		}
		for _, c := range append([]byte(m.endpoint.authority), m.target...) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q %q cannot stand in a request", m.endpoint.authority, m.target)
			}
		}
	})
}
