package scenarios

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/google/go-cmp/cmp"
)

func mustParse(t *testing.T, src string, kinds Kinds, o Options) *Scenario {
	t.Helper()
	s, err := Parse("test.yaml", []byte(src), kinds, o)
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return s
}

func TestWarnings(t *testing.T) {
	src, err := os.ReadFile("testdata/warn/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse("all.yaml", src, testKinds(), Options{Dir: "testdata/warn"})
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	golden(t, "testdata/warn/all.txt", []byte(s.Warnings.Error()+"\n"))
	plan, err := s.Compile(nil, CompileEnv{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(plan.Info.Warnings), len(s.Warnings); got != want {
		t.Errorf("the plan has %d warnings, the scenario %d", got, want)
	}
}

const stackScenario = `
version: 1
name: stacked
seed: 7
target:
  stack: shop
  proxies: { pay: { listen: "${stack.payments_via}", upstream: "${stack.payments}" } }
safety: { max_targets: 2, max_in_flight: 50 }
loads:
  browse: { http: { base: "${stack.url}", headers: { Authorization: "Bearer $TOKEN" } } }
  other: { http: { base: "${stack.url}" } }
phases:
  - name: steady
    for: 1m
    load: { browse: 10/s, other: 5 }
    faults:
      later: { at: 20s, proxy: { on: pay, latency: 1s } }
      first: { at: 10s, process: { kill: shop-1 } }
`

// TestCompileWithStack: the variables of the running stack take the place of
// the examples, in kinds, proxies and the guard.
func TestCompileWithStack(t *testing.T) {
	vars := map[string]string{"url": "http://127.0.0.1:20001", "status": "http://127.0.0.1:20002/", "payments": "127.0.0.1:20003", "payments_via": "127.0.0.1:20004"}
	env := CompileEnv{Processes: map[string]string{"shop-1": "/run/shop-1.pid"}, Proxies: map[string]string{"pay": "/run/pay.json"}}
	var configs []testHTTP
	var faults []chaos.Env
	kinds := testKinds()
	kinds.Generators = []GeneratorKind{GeneratorOf("http", "", func(c testHTTP, e generators.Env) (generators.Generator, error) {
		configs = append(configs, c)
		return idle{}, nil
	}, testSteps)}
	kinds.Faults = append(kinds.Faults[:1:1], FaultOf("proxy", "", func(_ testProxy, e chaos.Env) (chaos.Fault, error) {
		faults = append(faults, e)
		return noFault{}, nil
	}, nil, func(testProxy) string { return "" }, func(testProxy) bool { return false }))

	s := mustParse(t, stackScenario, kinds, Options{Env: testEnv})
	endpoints, err := s.ProxyEndpoints(vars)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]ProxySpec{"pay": {Listen: "127.0.0.1:20004", Upstream: "127.0.0.1:20003"}}, endpoints); diff != "" {
		t.Error(diff)
	}
	configs, faults = nil, nil
	plan, err := s.Compile(vars, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs {
		if c.Base != vars["url"] {
			t.Errorf("a load was made with base %q", c.Base)
		}
	}
	if got := configs[0].Headers["Authorization"]; got != "Bearer "+secret {
		t.Errorf("the generator was given %q", got)
	}
	if last := faults[len(faults)-1]; last.Proxies["pay"] != "/run/pay.json" || last.Fault != "later" {
		t.Errorf("the fault was given %+v", last)
	}
	for address, want := range map[string]bool{"127.0.0.1:20001": true, "127.0.0.1:20004": true, "127.0.0.1:20005": false, "example.com:80": false} {
		if got := plan.Allow(address) == nil; got != want {
			t.Errorf("Allow(%s) = %v, want %v", address, got, want)
		}
	}
	if plan.MaxTargets != 2 {
		t.Errorf("MaxTargets = %d", plan.MaxTargets)
	}
	if got := []string{plan.Faults[0].Name, plan.Faults[1].Name}; !slices.Equal(got, []string{"first", "later"}) {
		t.Errorf("faults are in the order %v", got)
	}
	if !plan.Faults[0].OneShot || plan.Faults[0].At != 10*time.Second {
		t.Errorf("first: %+v", plan.Faults[0])
	}
	if plan.Loads[0].Schedule == nil || plan.Loads[0].Users != nil || plan.Loads[1].Schedule != nil || len(plan.Loads[1].Users) != 1 {
		t.Error("a load is not of exactly one model")
	}
	if plan.Loads[0].MaxInFlight != 50 || plan.Loads[0].Patience != 10*time.Second {
		t.Errorf("defaults: %+v", plan.Loads[0])
	}
	if plan.Info.Loads[0].Timeout != 5*time.Second {
		t.Errorf("timeout in the plan: %v", plan.Info.Loads[0].Timeout)
	}
	if got := s.Redact("401 for Bearer " + secret); strings.Contains(got, secret) {
		t.Errorf("Redact left %q", got)
	}
}

// TestSeeds: a part keeps its seed when others come and go, and every part
// has its own.
func TestSeeds(t *testing.T) {
	compile := func(src string) *Plan {
		plan, err := mustParse(t, src, testKinds(), Options{Env: testEnv}).Compile(nil, CompileEnv{})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	a := compile(stackScenario)
	b := compile(strings.Replace(stackScenario, "  other: {", "  third: { http: { base: \"${stack.url}\" } }\n  other: {", 1))
	if a.Loads[0].Seed != b.Loads[0].Seed || a.Loads[1].Seed != b.Loads[2].Seed {
		t.Error("another load changed the seeds")
	}
	if a.Loads[0].Seed == a.Loads[1].Seed {
		t.Error("two loads share a seed")
	}
	if c := compile(strings.Replace(stackScenario, "seed: 7", "seed: 8", 1)); c.Loads[0].Seed == a.Loads[0].Seed {
		t.Error("the scenario's seed changes nothing")
	}
}

// TestVarsFromOutside: overrides take the place of what the file says, and
// are checked like it.
func TestVarsFromOutside(t *testing.T) {
	src := "version: 1\nname: a\ntarget: { hosts: [h] }\nvars: { peak: 5/s, unused: $peak }\nloads: { l: { http: { base: \"http://h\" } } }\nphases: [{ name: p, for: 1s, load: { l: $peak } }]\n"
	plan, err := mustParse(t, src, testKinds(), Options{Vars: map[string]string{"peak": "50/s"}}).Compile(nil, CompileEnv{})
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Info.Loads[0].Arrivals; got != 50 {
		t.Errorf("%d arrivals, want 50", got)
	}
	for name, want := range map[string]string{"paek": "did you mean peak?", "peak": "write 50/s"} {
		_, err := Parse("x.yaml", []byte(src), testKinds(), Options{Vars: map[string]string{name: "50rps"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=50rps: %v, want %q", name, err, want)
		}
	}
}

// TestFeedsReachGenerators: each load is given the feeds it draws on.
func TestFeedsReachGenerators(t *testing.T) {
	src := "version: 1\nname: a\ntarget: { hosts: [h] }\ndata: { users: { csv: users.csv }, more: { csv: users.csv } }\n" +
		"loads: { l: { http: { base: \"http://h\", get: \"/${users.id}\" } } }\nphases: [{ name: p, for: 1s, load: { l: 1/s } }]\n"
	var given map[string]*generators.Feed
	kinds := testKinds()
	kinds.Generators = []GeneratorKind{GeneratorOf("http", "", func(_ testHTTP, e generators.Env) (generators.Generator, error) {
		given = e.Feeds
		return idle{}, nil
	}, testSteps)}
	if _, err := mustParse(t, src, kinds, Options{Dir: "testdata/good"}).Compile(nil, CompileEnv{}); err != nil {
		t.Fatal(err)
	}
	if given["users"] == nil || given["users"].Len() != 3 || given["more"] != nil {
		t.Errorf("the generator was given %v", given)
	}
}

func TestStarter(t *testing.T) {
	for _, target := range []string{
		"http://127.0.0.1:8080/", "https://shop.example/products?page=1&x=$y", "shop.example", "http://[::1]:9000/a b", "http://a_b.example/${x}",
	} {
		src, err := Starter(target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		s, err := Parse("starter.yaml", src, testKinds(), Options{})
		if err != nil {
			t.Errorf("%s:\n%v", target, err)
		} else if len(s.Warnings) > 0 {
			t.Errorf("%s:\n%v", target, s.Warnings)
		}
	}
	src, err := Starter("http://127.0.0.1:8080/")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/starter.yaml", src)
	for _, target := range []string{"", "ftp://a/", "http://", "http://a:99999/", "http://u:p@a/"} {
		if _, err := Starter(target); err == nil {
			t.Errorf("%q was taken", target)
		}
	}
}

func TestQuick(t *testing.T) {
	quick, err := Quick(QuickOptions{URL: "http://127.0.0.1:8080/a?b=$c", Rate: "200/s", For: 10 * time.Second, Expect: []string{"p99 < 50ms", "quick.errors < 1%"},
		Connections: 8, Headers: []string{"Accept: $x ${y}", "Authorization: Bearer $x ${y}", "X-Api-Key: k3y", "X-Keyboard: us"}, Body: "{\"a\": \"line\n\t${b}\"}", Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/quick.yaml", quick.Source)
	var made testHTTP
	kinds := testKinds()
	kinds.Generators = []GeneratorKind{GeneratorOf("http", "", func(c testHTTP, _ generators.Env) (generators.Generator, error) {
		made = c
		return idle{}, nil
	}, testSteps)}
	s := mustParse(t, string(quick.Source), kinds, Options{Env: func(name string) (string, bool) {
		if value, ok := quick.Secrets[name]; ok {
			return value, true
		}
		return "from the environment", true
	}})
	plan, err := s.Compile(nil, CompileEnv{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings) > 0 {
		t.Errorf("warnings:\n%v", s.Warnings)
	}
	render := func(text string) string {
		tmpl, err := generators.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		constant, ok := tmpl.Constant()
		if !ok {
			t.Fatalf("%q is not constant", text)
		}
		return constant
	}
	step := made.Steps[0]
	if got := render(step.Post); got != "/a?b=$c" {
		t.Errorf("path %q", got)
	}
	for name, want := range map[string]string{"Accept": "$x ${y}", "Authorization": "Bearer $x ${y}", "X-Api-Key": "k3y"} {
		if got := render(step.Headers[name]); got != want {
			t.Errorf("header %s: %q", name, got)
		}
	}
	if got := render(step.Body); got != "{\"a\": \"line\n\t${b}\"}" {
		t.Errorf("body %q", got)
	}
	if got := plan.Info.Loads[0].Arrivals; got != 2000 {
		t.Errorf("%d arrivals", got)
	}
	var sources []string
	for _, o := range plan.Info.Objectives {
		sources = append(sources, o.Source)
	}
	if want := []string{"quick.p99 < 50ms in quick", "quick.errors < 1% in quick"}; !slices.Equal(sources, want) {
		t.Errorf("objectives %q", sources)
	}
}

func TestQuickUsers(t *testing.T) {
	quick, err := Quick(QuickOptions{URL: "shop.example", Users: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mustParse(t, string(quick.Source), testKinds(), Options{}).Compile(nil, CompileEnv{})
	if err != nil {
		t.Fatal(err)
	}
	if l := plan.Loads[0]; l.Users[0].To != 20_000 || l.MaxInFlight != 20_000 || plan.Info.Duration != 10*time.Second {
		t.Errorf("%+v", l)
	}
}

func TestQuickErrors(t *testing.T) {
	for _, row := range []struct {
		o    QuickOptions
		want string
	}{
		{QuickOptions{URL: "http://a"}, "give --rate"},                                                      // neither
		{QuickOptions{URL: "http://a", Rate: "5/s", Users: 5}, "give --rate"},                               // both
		{QuickOptions{URL: "http://a", Rate: "500"}, "write 500/s"},                                         // no unit
		{QuickOptions{URL: "http://a", Rate: "500rps"}, "write 500/s"},                                      // another's unit
		{QuickOptions{URL: "http://a", Rate: "5/s for 1m"}, "--for"},                                        // a length in the wrong place
		{QuickOptions{URL: "http://a", Users: -1}, "below 0"},                                               // less than nobody
		{QuickOptions{URL: "http://a", Rate: "5/s", For: -time.Second}, "no length"},                        // less than no time
		{QuickOptions{URL: "http://a", Rate: "5/s", Method: "BREW"}, "not one of GET"},                      // no method
		{QuickOptions{URL: "http://a", Rate: "5/s", Headers: []string{"nothing"}}, "write 'Name: value'"},   // no header
		{QuickOptions{URL: "http://a", Rate: "5/s", Headers: []string{"a: 1", "A: 2"}}, "given twice"},      // twice
		{QuickOptions{URL: "http://a", Rate: "5/s", Body: "@/nowhere"}, "read body"},                        // no file
		{QuickOptions{URL: "http://a", Rate: "5/s", Expect: []string{"p99 < 5%"}}, "  p99 < 5%\n        ^"}, // the caret stands under the user's own text
		{QuickOptions{URL: "ftp://a", Rate: "5/s"}, "write http://HOST"},                                    // not HTTP
	} {
		_, err := Quick(row.o)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v, want %q", row.o, err, row.want)
		}
	}
}

// FuzzQuick: whatever the words, what Quick takes Parse takes, word for word.
func FuzzQuick(f *testing.F) {
	f.Add("http://a/b", "A: b", "body ${x} $y")
	f.Add("http://a/\u2028", "A: \"\\", "\x00\t\r\n")
	kinds := testKinds()
	f.Fuzz(func(t *testing.T, target, header, body string) {
		if strings.HasPrefix(body, "@") {
			return // a file
		}
		quick, err := Quick(QuickOptions{URL: target, Rate: "1/s", Headers: []string{header}, Body: body})
		if err != nil {
			return
		}
		secret := func(name string) (string, bool) { value, ok := quick.Secrets[name]; return value, ok }
		if _, err := Parse("quick.yaml", quick.Source, kinds, Options{Env: secret}); err != nil {
			t.Fatalf("%q %q %q:\n%s\n%v", target, header, body, quick.Source, err)
		}
	})
}

func TestExplain(t *testing.T) {
	kinds := testKinds()
	for _, row := range []struct{ name, want string }{
		{"", "Generators, under loads:\n  http"}, // the list
		{"phase", "how long it lasts"},           // a section
		{"proxy", "on "},                         // a fault
		{"http", "probe http"},                   // both things of that name
		{"generator http", "connections.max"},    // one of them
		{"shop", "${stack.url}"},                 // a stack
		{"kafka", "Not built yet."},              // one to come
		{"http.connections", "max_age"},          // what is under a key
		{"watch", "watch  value"},                // a key of the file
		{"loads", "section load"},                // and what it holds several of
		{"phases.expect", "what must hold"},      // a key of that
	} {
		var b bytes.Buffer
		if err := Explain(&b, row.name, kinds); err != nil {
			t.Errorf("%q: %v", row.name, err)
		} else if !strings.Contains(strings.ToLower(b.String()), strings.ToLower(row.want)) {
			t.Errorf("%q: no %q in\n%s", row.name, row.want, b.String())
		}
	}
	if err := Explain(&bytes.Buffer{}, "htpp", kinds); err == nil || !strings.Contains(err.Error(), "did you mean http?") {
		t.Errorf("htpp: %v", err)
	}
	if err := Explain(&bytes.Buffer{}, "connections", kinds); err == nil || !strings.Contains(err.Error(), "did you mean http.connections?") {
		t.Errorf("connections: %v", err)
	}
	var key bytes.Buffer
	if err := Explain(&key, "http.connections", kinds); err != nil || strings.Contains(key.String(), "timeout") {
		t.Errorf("http.connections: %v, with other keys:\n%s", err, key.String())
	}
	if err := Explain(&key, "http.conections", kinds); err == nil || !strings.Contains(err.Error(), "http has no key conections") {
		t.Errorf("http.conections: %v", err)
	}
}

// TestKindsHandOnTheirConfig: the generic constructors give each function the
// configuration that was decoded.
func TestKindsHandOnTheirConfig(t *testing.T) {
	k := testKinds()
	config := k.Faults[0].Config().(*testProcess)
	config.Kill = "lb"
	if what := k.Faults[0].What(config); what != "kill lb" || !k.Faults[0].OneShot(config) {
		t.Errorf("what %q", what)
	}
	if _, err := k.Faults[0].New(config, chaos.Env{Processes: map[string]string{"lb": ""}}); err != nil {
		t.Error(err)
	}
	if _, err := k.Faults[0].Mend().Prepare(context.Background()); err != nil {
		t.Error(err)
	}
}
