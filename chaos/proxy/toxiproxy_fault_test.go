//go:build unix

package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/proxy"
)

// A team is a Toxiproxy that is there already, in front of an echo.
type team struct{ url string }

func startTeam(t *testing.T) team {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- proxy.ServeToxiproxy(ctx, proxy.ToxiproxyOptions{Address: "127.0.0.1:0", Ready: func(a string) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case address := <-ready:
		team := team{"http://" + address}
		team.ask(t, "POST", "/proxies", fmt.Sprintf(`{"name":"payments","upstream":%q}`, echo(t)))
		return team
	case err := <-ended:
		t.Fatal(err)
		return team{}
	}
}

// ask is somebody else's client.
func (m team) ask(t *testing.T, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(bounded(t), method, m.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s %v", method, path, response.Status, text, err)
	}
	return string(bytes.TrimSpace(text))
}

func (m team) names(t *testing.T) string {
	t.Helper()
	var toxics []struct{ Name, Type string }
	if err := json.Unmarshal([]byte(m.ask(t, "GET", "/proxies/payments/toxics", "")), &toxics); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, toxic := range toxics {
		if !strings.HasPrefix(toxic.Name, "brunt_slow_pay-") {
			toxic.Type = toxic.Name
		}
		names = append(names, toxic.Type)
	}
	return strings.Join(names, " ")
}

func (m team) fault(t *testing.T, c proxy.Config) chaos.Fault {
	t.Helper()
	c.On, c.Toxiproxy = "payments", m.url
	fault, err := proxy.New(c, chaos.Env{Fault: "slow_pay", Proxies: map[string]string{}, Allow: func(string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func TestToxiproxyContract(t *testing.T) {
	for i, test := range []struct {
		name   string
		config proxy.Config
	}{
		{"latency", proxy.Config{Latency: 40 * time.Millisecond, Jitter: 4 * time.Millisecond, Probe: "PING"}},
		{"bandwidth", proxy.Config{Bandwidth: 10e3, Probe: strings.Repeat("x", 1000)}},
		{"timeout", proxy.Config{Timeout: 20 * time.Millisecond, Probe: "PING"}},
		{"reset", proxy.Config{Reset: true, Probe: `PING\r\n`}},
		{"limit", proxy.Config{Limit: 2, Direction: "downstream", Probe: "PING"}},
		{"slow close", proxy.Config{SlowClose: 30 * time.Millisecond, Direction: "downstream", Probe: "PING"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: proxy.Kind, Mend: proxy.Mend, OneProcess: i > 0,
				Target: func(t *testing.T) chaostest.Target {
					team := startTeam(t)
					return chaostest.Target{Fault: team.fault(t, test.config), Look: team.names}
				},
			})
		})
	}
}

// injected is a fault on a team's Toxiproxy, which has a toxic of its own too.
func injected(t *testing.T, c proxy.Config) (team, chaos.Fault, chaos.Receipt) {
	t.Helper()
	team := startTeam(t)
	team.ask(t, "POST", "/proxies/payments/toxics", `{"name":"theirs","type":"slicer","attributes":{"average_size":1000}}`)
	fault := team.fault(t, c)
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	return team, fault, receipt
}

func TestToxiproxyOwnership(t *testing.T) {
	slow := proxy.Config{Latency: 20 * time.Millisecond}
	t.Run("undo leaves theirs alone", func(t *testing.T) {
		team, fault, receipt := injected(t, slow)
		if got := team.names(t); got != "theirs latency latency" {
			t.Errorf("set: %s", got)
		}
		if err := fault.Undo(bounded(t), receipt); err != nil {
			t.Error(err)
		}
		if got := team.names(t); got != "theirs" {
			t.Errorf("left: %s", got)
		}
	})
	t.Run("what someone changed is left alone", func(t *testing.T) {
		team, fault, receipt := injected(t, slow)
		team.ask(t, "POST", "/proxies/payments/toxics/brunt_"+receipt.ID+"_latency_upstream", `{"attributes":{"latency":7}}`)
		if state, err := fault.Verify(bounded(t), receipt); state != chaos.Conflict || !errors.Is(err, chaos.ErrConflict) {
			t.Errorf("verify: %s, %v", state, err)
		}
		if err := fault.Undo(bounded(t), receipt); !errors.Is(err, chaos.ErrConflict) || !strings.Contains(err.Error(), "latency 7") {
			t.Errorf("undo: %v", err)
		}
		if got := team.names(t); got != "theirs latency" {
			t.Errorf("left: %s", got) // the other one is ours still, and undone
		}
	})
	t.Run("what someone set before is refused", func(t *testing.T) {
		team := startTeam(t)
		fault := team.fault(t, slow)
		early, err := fault.Prepare(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		team.ask(t, "POST", "/proxies/payments/toxics", `{"type":"latency","attributes":{"latency":7}}`)
		if _, err := fault.Prepare(bounded(t)); !errors.Is(err, chaos.ErrConflict) {
			t.Errorf("prepare: %v", err)
		}
		if err := fault.Inject(bounded(t), early); !errors.Is(err, chaos.ErrConflict) {
			t.Errorf("inject: %v", err)
		}
		if got := team.names(t); got != "latency_downstream" {
			t.Errorf("left: %s", got)
		}
	})
	t.Run("a proxy that is taken away takes the fault with it", func(t *testing.T) {
		team, fault, receipt := injected(t, slow)
		team.ask(t, "DELETE", "/proxies/payments", "")
		if err := fault.Undo(bounded(t), receipt); err != nil {
			t.Error(err)
		}
		if state, err := fault.Verify(bounded(t), receipt); state != chaos.Gone {
			t.Errorf("verify: %s, %v", state, err)
		}
	})
	t.Run("a reset takes ours away", func(t *testing.T) {
		team, fault, receipt := injected(t, slow)
		team.ask(t, "POST", "/reset", "")
		if state, err := fault.Verify(bounded(t), receipt); state != chaos.Gone {
			t.Errorf("verify: %s, %v", state, err)
		}
	})
	t.Run("without a probe nothing is proven", func(t *testing.T) {
		_, fault, receipt := injected(t, slow)
		if state, err := fault.Verify(bounded(t), receipt); !errors.Is(err, chaos.ErrNoEvidence) || !strings.Contains(err.Error(), "give the fault a probe") {
			t.Errorf("verify: %s, %v", state, err)
		}
	})
}

func TestToxiproxyRefused(t *testing.T) {
	team := startTeam(t)
	c := proxy.Config{On: "payments", Toxiproxy: team.url, Latency: time.Second, Probe: "x"}
	prepare := func(c proxy.Config, allow func(string) error) error {
		fault, err := proxy.New(c, chaos.Env{Fault: "x", Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		_, err = fault.Prepare(bounded(t))
		return err
	}
	if err := prepare(c, nil); err == nil || !strings.Contains(err.Error(), "not in the scenario's target") {
		t.Errorf("nothing allowed: %v", err)
	}
	api := strings.TrimPrefix(team.url, "http://")
	only := func(address string) error {
		if address != api {
			return fmt.Errorf("%s is out of bounds", address)
		}
		return nil
	}
	if err := prepare(c, only); err == nil || !strings.Contains(err.Error(), "out of bounds") {
		t.Errorf("the API allowed, the proxy not: %v", err)
	}
	other := c
	other.On = "other"
	if err := prepare(other, only); err == nil || !strings.Contains(err.Error(), "is not there") {
		t.Errorf("no such proxy: %v", err)
	}
	team.ask(t, "POST", "/proxies/payments", `{"enabled":false}`)
	if err := prepare(c, only); err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("a disabled proxy: %v", err)
	}
}
