package docker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/docker"
)

func TestMain(m *testing.M) { chaostest.Main(m, docker.Kind, docker.Mend) }

// bounded guards against hanging; it also works in cleanups, where t.Context
// has ended.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var shop = &docker.Target{Name: "shop-1"}

func newFault(t testing.TB, c docker.Config, host string, allowed ...string) chaos.Fault {
	t.Helper()
	c.Host = host
	if len(allowed) == 0 {
		allowed = []string{"shop-*"}
	}
	fault, err := docker.New(c, chaos.Env{Fault: "box", Containers: allowed})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func prepare(t testing.TB, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func inject(t testing.TB, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt := prepare(t, fault)
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func verify(t testing.TB, fault chaos.Fault, receipt chaos.Receipt, want chaos.State) {
	t.Helper()
	if state, err := fault.Verify(bounded(t), receipt); state != want || want != chaos.Conflict && err != nil {
		t.Errorf("verify: %q, %v; want %s", state, err, want)
	}
}

// The contract, against the fake engine. TestE2E runs it against a real one.
func TestContract(t *testing.T) {
	for _, test := range []struct {
		name       string
		config     docker.Config
		before     func(f *fakeEngine, c *fakeContainer)
		oneProcess bool
	}{
		{name: "pause", config: docker.Config{Pause: shop}},
		{name: "kill", config: docker.Config{Kill: shop}},
		{name: "stop", config: docker.Config{Stop: shop, Grace: time.Second}, oneProcess: true},
		{name: "disconnect", config: docker.Config{Disconnect: shop}, oneProcess: true},
		{name: "disconnect from a network that gives out addresses itself", config: docker.Config{Disconnect: shop, Network: "backend"}, oneProcess: true,
			before: func(f *fakeEngine, c *fakeContainer) {
				f.free = false
				c.networks[f.network("backend")].address = "172.18.0.99"
			}},
		{name: "limit", config: docker.Config{Limit: shop, CPUs: 0.2, Memory: 64 << 20}, oneProcess: true},
		{name: "lower limits", config: docker.Config{Limit: shop, CPUs: 0.25, Memory: 64 << 20}, oneProcess: true,
			before: func(_ *fakeEngine, c *fakeContainer) { c.nano, c.memory, c.swap = 15e8, 128<<20, 256<<20 }},
		{name: "lower quota", config: docker.Config{Limit: shop, CPUs: 0.333}, oneProcess: true,
			before: func(_ *fakeEngine, c *fakeContainer) { c.quota, c.period = 75000, 50000 }},
		{name: "pause by label", config: docker.Config{Pause: &docker.Target{Label: "app=shop", Pick: "all"}}, oneProcess: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: docker.Kind, Mend: docker.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					f := startFake(t)
					f.run("other", nil)
					c := f.run("shop-1", map[string]string{"app": "shop"})
					if test.before != nil {
						f.change(func() { test.before(f, c) })
					}
					return chaostest.Target{
						Fault: newFault(t, test.config, f.host),
						Look:  func(*testing.T) string { return f.look(c) },
					}
				},
			})
		})
	}
}

// What Prepare refuses, and says.
func TestPrepareRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		config  docker.Config
		allowed []string
		change  func(f *fakeEngine, c *fakeContainer)
		want    string
	}{
		{"not in the allow-list", docker.Config{Pause: shop}, []string{"other", "label:app=else"}, nil, "not among target.containers"},
		{"no such container", docker.Config{Pause: &docker.Target{Name: "shop-9"}}, nil, nil, "no container is called shop-9"},
		{"the beginning of an id", docker.Config{Pause: &docker.Target{Name: "PREFIX"}}, nil, nil, "no container is called"},
		{"not running", docker.Config{Pause: shop}, nil, func(_ *fakeEngine, c *fakeContainer) { c.running = false }, "it is exited"},
		{"paused already", docker.Config{Pause: shop}, nil, func(_ *fakeEngine, c *fakeContainer) { c.paused = true }, "paused already"},
		{"nothing with the label", docker.Config{Pause: &docker.Target{Label: "app=none"}}, nil, nil, "no running container has label app=none"},
		{"several with the label", docker.Config{Pause: &docker.Target{Label: "app"}}, nil, func(f *fakeEngine, _ *fakeContainer) { f.containers[0].labels = map[string]string{"app": "x"} }, "say which with pick"},
		{"would be removed", docker.Config{Stop: shop}, nil, func(_ *fakeEngine, c *fakeContainer) { c.autoRemove = true }, "--rm"},
		{"no such network", docker.Config{Disconnect: shop, Network: "front"}, nil, nil, "is not on network front; it is on backend"},
		{"on no network", docker.Config{Disconnect: shop}, nil, func(_ *fakeEngine, c *fakeContainer) { clear(c.networks) }, "is on 0 networks"},
		{"limited more already", docker.Config{Limit: shop, Memory: 64 << 20}, nil, func(_ *fakeEngine, c *fakeContainer) { c.memory = 32 << 20 }, "would change nothing"},
		{"limited as much already", docker.Config{Limit: shop, CPUs: 1}, nil, func(_ *fakeEngine, c *fakeContainer) { c.nano = 1e9 }, "would change nothing"},
		{"a grace beyond the bound", docker.Config{Stop: shop, Grace: time.Hour}, nil, nil, "the longest that brunt waits for"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := startFake(t)
			f.run("other", nil)
			c := f.run("shop-1", map[string]string{"app": "shop"})
			if test.change != nil {
				f.change(func() { test.change(f, c) })
			}
			if test.config.Pause != nil && test.config.Pause.Name == "PREFIX" {
				test.config.Pause = &docker.Target{Name: c.id[:12]}
			}
			_, err := newFault(t, test.config, f.host, test.allowed...).Prepare(bounded(t))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if len(f.calls) > 0 {
				t.Errorf("prepare called %v", f.calls)
			}
		})
	}
}

// Without an allow-list nothing is allowed; labels allow too.
func TestAllowList(t *testing.T) {
	f := startFake(t)
	f.run("shop-1", map[string]string{"app": "shop", "team": "a"})
	for _, test := range []struct {
		allowed []string
		ok      bool
	}{
		{nil, false},
		{[]string{"shop-1"}, true},
		{[]string{"shop"}, false},
		{[]string{"x", "shop-?"}, true},
		{[]string{"label:app"}, true},
		{[]string{"label:app=shop"}, true},
		{[]string{"label:app=sho"}, false},
		{[]string{"label:stage"}, false},
	} {
		fault, err := docker.New(docker.Config{Pause: shop, Host: f.host}, chaos.Env{Fault: "box", Containers: test.allowed})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fault.Prepare(bounded(t)); (err == nil) != test.ok {
			t.Errorf("with %v: %v", test.allowed, err)
		}
	}
	for _, bad := range []string{"", "[", "label:", "label:=x"} {
		if _, err := docker.New(docker.Config{Pause: shop}, chaos.Env{Containers: []string{bad}}); err == nil {
			t.Errorf("allow-list entry %q is accepted", bad)
		}
	}
}

// What someone else did while the fault was on is left alone.
func TestConflicts(t *testing.T) {
	limited := docker.Config{Limit: shop, CPUs: 0.2, Memory: 64 << 20}
	for _, test := range []struct {
		name   string
		config docker.Config
		change func(f *fakeEngine, c *fakeContainer)
	}{
		{"started anew and paused", docker.Config{Pause: shop}, func(f *fakeEngine, c *fakeContainer) { f.now++; c.started = f.now }},
		{"started anew and ended", docker.Config{Stop: shop}, func(f *fakeEngine, c *fakeContainer) { f.now++; c.started = f.now }},
		{"the network was removed", docker.Config{Disconnect: shop}, func(f *fakeEngine, _ *fakeContainer) { clear(f.networks) }},
		{"other limits were set", limited, func(_ *fakeEngine, c *fakeContainer) { c.quota, c.memory = 50000, 32<<20 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := startFake(t)
			c := f.run("shop-1", nil)
			fault := newFault(t, test.config, f.host)
			receipt := inject(t, fault)
			f.change(func() { test.change(f, c) })
			before := f.look(c)
			verify(t, fault, receipt, chaos.Conflict)
			if err := docker.Mend().Undo(bounded(t), receipt); !errors.Is(err, chaos.ErrConflict) {
				t.Errorf("undo: %v, want a conflict", err)
			}
			if after := f.look(c); after != before {
				t.Errorf("undo changed what is not ours from %q to %q", before, after)
			}
		})
	}
}

// Of two limits the one that is still ours is restored, the other is not.
func TestHalfAConflict(t *testing.T) {
	f := startFake(t)
	c := f.run("shop-1", nil)
	fault := newFault(t, docker.Config{Limit: shop, CPUs: 0.2, Memory: 64 << 20}, f.host)
	receipt := inject(t, fault)
	f.change(func() { c.memory = 32 << 20 })
	err := fault.Undo(bounded(t), receipt)
	var conflict *chaos.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(conflict.Want, "64MiB") || !strings.Contains(conflict.Found, "32MiB") {
		t.Errorf("undo: %v", err)
	}
	if got := f.look(c); !strings.Contains(got, "memory 33554432 nano 0 quota 0") {
		t.Errorf("after the undo: %s", got)
	}
}

// A container that is gone, or was made anew under its name, has nothing to be
// undone, and the new one is never touched.
func TestReplaced(t *testing.T) {
	for _, config := range []docker.Config{{Pause: shop}, {Stop: shop}, {Disconnect: shop}, {Limit: shop, CPUs: 0.2}, {Kill: shop}} {
		t.Run(docker.What(config), func(t *testing.T) {
			f := startFake(t)
			c := f.run("shop-1", nil)
			fault := newFault(t, config, f.host)
			early := prepare(t, fault)
			receipt := inject(t, fault)
			f.change(func() { f.containers = nil })
			fresh := f.run("shop-1", nil)
			f.change(func() { fresh.paused = config.Pause != nil; fresh.running = config.Stop == nil; f.calls = nil })
			if err := fault.Undo(bounded(t), receipt); err != nil {
				t.Errorf("undo: %v", err)
			}
			if err := fault.Inject(bounded(t), early); err == nil {
				t.Error("inject into another container than was prepared: no error")
			}
			want := chaos.Gone
			if config.Kill != nil {
				want = chaos.Active
			}
			verify(t, fault, receipt, want)
			if len(f.calls) > 0 {
				t.Errorf("the new container was touched: %v", f.calls)
			}
			_ = c
		})
	}
}

// What someone else undid already needs nothing.
func TestUndoneBySomeoneElse(t *testing.T) {
	f := startFake(t)
	c := f.run("shop-1", nil)
	fault := newFault(t, docker.Config{Disconnect: shop}, f.host)
	place := *c.networks[f.network("backend")]
	receipt := inject(t, fault)
	f.change(func() { c.networks[f.network("backend")] = &place })
	if err := fault.Undo(bounded(t), receipt); err != nil {
		t.Error(err)
	}
	verify(t, fault, receipt, chaos.Gone)
	f.change(func() { place.asked = nil }) // or not quite
	verify(t, fault, receipt, chaos.Conflict)
}

// Where one of several fails, the others are broken and mended all the same.
func TestHalfway(t *testing.T) {
	f := startFake(t)
	a, b := f.run("shop-1", map[string]string{"app": "shop"}), f.run("shop-2", map[string]string{"app": "shop"})
	fault := newFault(t, docker.Config{Pause: &docker.Target{Label: "app=shop", Pick: "all"}}, f.host)
	receipt := prepare(t, fault)
	f.change(func() { b.paused = true; f.now++; b.started = f.now })
	if err := fault.Inject(bounded(t), receipt); err == nil {
		t.Error("inject: no error")
	}
	f.change(func() { b.paused = false })
	if !strings.Contains(f.look(a), "paused true") {
		t.Error("the first was not paused")
	}
	verify(t, fault, receipt, chaos.Active)
	if err := docker.Mend().Undo(bounded(t), receipt); err != nil {
		t.Error(err)
	}
	verify(t, fault, receipt, chaos.Gone)
	f.change(func() { f.broken = "pause" })
	if err := fault.Inject(bounded(t), prepare(t, fault)); err == nil || !strings.Contains(err.Error(), "runc did not terminate") {
		t.Errorf("inject into a broken engine: %v", err)
	}
}

// Containers that come to be while the fault is there are found, each once.
func TestFollow(t *testing.T) {
	f := startFake(t)
	label := map[string]string{"app": "shop"}
	follower := newFault(t, docker.Config{Pause: &docker.Target{Label: "app=shop", Pick: "all"}}, f.host).(chaos.Follower)
	if err := follower.Follows(); err != nil {
		t.Error(err)
	}
	if _, err := follower.Prepare(bounded(t)); !errors.Is(err, chaos.ErrNoTarget) {
		t.Errorf("no container yet: %v", err)
	}
	f.run("shop-1", label)
	first := inject(t, follower)
	if _, err := follower.Follow(bounded(t), []chaos.Receipt{first}); !errors.Is(err, chaos.ErrNoTarget) {
		t.Errorf("none has come: %v", err)
	}
	young := f.run("shop-2", label)
	second, err := follower.Follow(bounded(t), []chaos.Receipt{first})
	if err != nil || len(second.Targets) != 1 || !strings.Contains(second.Targets[0], "shop-2") {
		t.Fatalf("follow: %v, %v", second.Targets, err)
	}
	if err := follower.Inject(bounded(t), second); err != nil || !strings.Contains(f.look(young), "paused true") {
		t.Errorf("inject: %v; %s", err, f.look(young))
	}
	for _, receipt := range []chaos.Receipt{first, second} {
		if err := follower.Undo(bounded(t), receipt); err != nil {
			t.Error(err)
		}
	}
	for want, target := range map[string]*docker.Target{"one container": shop, "pick: all": {Label: "app=shop", Pick: "oldest"}} {
		if err := newFault(t, docker.Config{Pause: target}, f.host).(chaos.Follower).Follows(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", target, err, want)
		}
	}
}

func TestPick(t *testing.T) {
	f := startFake(t)
	old, young := f.run("shop-2", map[string]string{"app": "shop"}), f.run("shop-1", map[string]string{"app": "shop"})
	for pick, want := range map[string]*fakeContainer{"oldest": old, "newest": young} {
		fault := newFault(t, docker.Config{Pause: &docker.Target{Label: "app=shop", Pick: pick}}, f.host)
		receipt := inject(t, fault)
		if !strings.Contains(f.look(want), "paused true") || len(receipt.Targets) != 1 {
			t.Errorf("pick %s: %v", pick, receipt.Targets)
		}
		if err := fault.Undo(bounded(t), receipt); err != nil {
			t.Error(err)
		}
	}
}

// A fault ends where there is no engine to speak to.
func TestNoEngine(t *testing.T) {
	fault := newFault(t, docker.Config{Pause: shop}, "unix:///nowhere/docker.sock")
	if _, err := fault.Prepare(bounded(t)); err == nil || !strings.Contains(err.Error(), "reach docker engine") {
		t.Errorf("prepare: %v", err)
	}
	t.Setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
	if _, err := newFault(t, docker.Config{Pause: shop}, "").Prepare(bounded(t)); err == nil || !strings.Contains(err.Error(), "only unix") {
		t.Errorf("prepare over TCP: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		config docker.Config
		what   string
		err    string // part of New's error
	}{
		{config: docker.Config{Kill: shop}, what: "kill shop-1"},
		{config: docker.Config{Pause: &docker.Target{Label: "a=b", Pick: "oldest"}}, what: "pause oldest with label a=b"},
		{config: docker.Config{Stop: &docker.Target{Label: "a", Pick: "all"}}, what: "stop all with label a"},
		{config: docker.Config{Disconnect: shop, Network: "backend"}, what: "disconnect shop-1 from backend"},
		{config: docker.Config{Limit: shop, CPUs: 0.2, Memory: 64 << 20}, what: "limit shop-1 to 0.2 CPUs and 64MiB of memory"},
		{config: docker.Config{}, what: "nothing", err: "there are 0"},
		{config: docker.Config{Pause: &docker.Target{}}, what: "pause with label ", err: "exactly one of name and label"},
		{config: docker.Config{Pause: &docker.Target{Name: "a", Label: "b"}}, what: "pause a", err: "exactly one of name and label"},
		{config: docker.Config{Pause: &docker.Target{Name: "a", Pick: "all"}}, what: "pause a", err: "no label is given"},
		{config: docker.Config{Pause: &docker.Target{Label: "a", Pick: "some"}}, what: "pause some with label a", err: "no way to pick"},
		{config: docker.Config{Pause: shop, Memory: 64 << 20}, what: "pause shop-1", err: "memory: it belongs to limit"},
		{config: docker.Config{Limit: shop}, what: "limit shop-1 to ", err: "no limit is given"},
		{config: docker.Config{Limit: shop, CPUs: 0.001}, what: "limit shop-1 to 0.001 CPUs", err: "0.01"},
		{config: docker.Config{Limit: shop, Memory: 1000}, what: "limit shop-1 to 1000 bytes of memory", err: "6MiB"},
		{config: docker.Config{Kill: shop, Host: "tcp://x"}, what: "kill shop-1", err: "only unix"},
	} {
		_, err := docker.New(test.config, chaos.Env{Fault: "x"})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("New(%+v): error %v, want %q", test.config, err, test.err)
		}
		if got := docker.What(test.config); got != test.what {
			t.Errorf("What = %q, want %q", got, test.what)
		}
		if docker.OneShot(test.config) != (test.config.Kill != nil) {
			t.Errorf("OneShot(%+v)", test.config)
		}
	}
	both := docker.Config{Kill: shop, Pause: shop}
	if _, err := docker.New(both, chaos.Env{}); err == nil {
		t.Error("two actions are accepted")
	}
}
