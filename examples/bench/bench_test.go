package main

import (
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
)

// What each tool prints, shortened.
func TestReadPercentiles(t *testing.T) {
	us := time.Microsecond
	for _, test := range []struct {
		name     string
		read     func([]byte) (p50, p99 time.Duration, err error)
		out      string
		p50, p99 time.Duration
	}{
		{"wrk", readWrk, "  Latency Distribution\n     50%  282.00us\n     75%  320.00us\n     99%    2.10ms\n  36305 requests in 3.00s", 282 * us, 2100 * us},
		{"wrk2", readWrk, "  Latency Distribution (HdrHistogram - Recorded Latency)\n 50.000%    1.17ms\n 99.000%    2.05ms\n 99.900%    3ms\n 50.000%    1.00us\n", 1170 * us, 2050 * us},
		{"fortio", readFortio, "# target 50% 0.000293\n# target 99% 0.0011\nSockets used: 64", 293 * us, 1100 * us},
		{"vegeta", readVegeta, `{"latencies":{"50th":352066,"99th":1598576}}`, 352066, 1598576},
		{"k6", readK6, "     http_req_duration..............: med=305.5µs p(99)=1.2ms\n", 305500, 1200 * us},
		{"k6 1.0", readK6, "    http_req_duration....: med=1ms p(99)=1.5s\n      { expected_response:true }...: med=2ms p(99)=2s\n", 1000 * us, 1500 * time.Millisecond},
		{"hey", readHey, "Latency distribution:\n  10%% in 0.0002 secs\n  50%% in 0.0005 secs\n  99%% in 0.0021 secs\n", 500 * us, 2100 * us},
		{"bombardier", readBombardier, `{"result":{"latency":{"mean":173.8,"percentiles":{"50":133,"75":216,"99":767.5}}}}`, 133 * us, 767500},
	} {
		p50, p99, err := test.read([]byte(test.out))
		if err != nil || p50 != test.p50 || p99 != test.p99 {
			t.Errorf("%s: p50 %s p99 %s error %v, want %s and %s", test.name, p50, p99, err, test.p50, test.p99)
		}
		if _, _, err := test.read([]byte("{}")); err == nil {
			t.Errorf("%s: reads percentiles where there are none", test.name)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}} {
		if got := median(test.in); got != test.want {
			t.Errorf("median of %v is %g, want %g", test.in, got, test.want)
		}
	}
}

// Ratios are taken within a round; a turn that failed has none.
func TestCostTable(t *testing.T) {
	us := time.Microsecond
	at := func(cpu time.Duration) turn {
		return turn{cpu: cpu, rate: 100, figures: figures{p50: 300 * us, p99: 400 * us}, truth: truth.Path{Distribution: truth.Distribution{P50: 200 * us}}}
	}
	all := results{
		"brunt":    {at(8 * us), at(80 * us), {err: errNoPercentiles}},
		"brunt-go": {at(16 * us), at(160 * us), at(us)},
		"wrk":      {at(10 * us), at(100 * us), at(us)},
		"k6":       {{err: errNoPercentiles}},
	}
	var out strings.Builder
	closedModel.print(&bench{w: &out}, []string{"brunt", "brunt-go", "wrk", "k6"}, all)
	for _, want := range []string{
		"brunt             44.0µs      0.80         100     0.300ms     0.400ms      0.100ms\n",
		"wrk               10.0µs      1.00         100",
		"brunt failed in 1 of 3 turns: its output has no percentiles",
		"k6 failed in 1 of 1 turns",
		"met     brunt 0.80 × wrk's CPU a request, at most 0.95",
		"missed  brunt-go 1.60 × wrk's CPU a request, at most 1.50",
		"open    brunt-flow beside wrk: they did not both play",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestPrecisionTable(t *testing.T) {
	us := time.Microsecond
	at := func(p50, p99 time.Duration, counted int64) turn {
		return turn{rate: 1000, figures: figures{p50: p50, p99: p99, planned: 2000, sent: 2000, succeeded: 2000}, truth: truth.Path{Count: counted, Distribution: truth.Distribution{P50: 350 * us}}}
	}
	all := results{
		bareClient: {at(300*us, 400*us, 2000), at(900*us, 900*us, 2000)},
		bruntLane:  {at(340*us, 800*us, 2000), at(940*us, 1300*us, 1999)},
	}
	var out strings.Builder
	printPrecision(&bench{w: &out}, job{rate: 1000, length: 2 * time.Second}, []string{bareClient, bruntLane}, all)
	for _, want := range []string{
		"brunt             1000.0     0.640ms     1.050ms      0.040ms      0.400ms",
		"met     brunt's p50 is at most 50µs beyond the bare client's: 0.040ms",
		"missed  brunt's p99 is at most 300µs beyond the bare client's: 0.400ms",
		"met     brunt's p50 is not below the server's own account: 1.829 of it",
		"missed  brunt sent, and the server counted, exactly what was offered in 1 of 2 turns",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestClimb(t *testing.T) {
	for _, test := range []struct{ from, stride, top, want int }{
		{90, 16, 117, 117},         // up
		{90, 16, 3, 3},             // down
		{90, 16, 90, 90},           // it is the first one
		{90, 16, rungs, rungs - 1}, // off the ladder
		{90, 16, -1, -1},           // not even the lowest
		{40, 1, 41, 41},            // near the last one
		{40, 1, 39, 39},
		{0, 1, 0, 0},
		{130, 16, 37, 37},
	} {
		tried := map[int]bool{}
		got := climb(test.from, test.stride, func(rung int) bool {
			if tried[rung] || rung < 0 || rung >= rungs {
				t.Errorf("%+v: rung %d is tried again, or is none", test, rung)
			}
			tried[rung] = true
			return rung <= test.top
		})
		if got != test.want {
			t.Errorf("%+v: climbs to %d", test, got)
		}
	}
}

// Only what brunt did exactly is held; of others nearly is enough.
func TestHolds(t *testing.T) {
	j := job{rate: 1000, length: 2 * time.Second}
	exact := turn{figures: figures{planned: 2000, sent: 2000, succeeded: 2000, wait: 99 * time.Microsecond}, truth: truth.Path{Count: 2000}}
	dropped, failed, uncounted, late := exact, exact, exact, exact
	dropped.sent--
	failed.succeeded--
	uncounted.truth.Count--
	late.wait = heldWait
	for _, test := range []struct {
		name   string
		r      turn
		binary string
		want   bool
	}{
		{"all of it", exact, "", true},
		{"one not sent", dropped, "", false},
		{"one not answered", failed, "", false},
		{"one the server knows nothing of", uncounted, "", false},
		{"late", late, "", false},
		{"a peer, nearly", turn{steady: 991}, "wrk2", true},
		{"a peer, not nearly", turn{steady: 989}, "wrk2", false},
		{"a peer that falls ever further behind", turn{steady: 1000, figures: figures{p50: 2 * time.Millisecond}}, "wrk2", false},
		{"a peer that broke", turn{steady: 1000, err: errNoPercentiles}, "wrk2", false},
	} {
		if got := test.r.holds(tool{binary: test.binary}, j); got != test.want {
			t.Errorf("%s: holds is %t", test.name, got)
		}
	}
}

// Every tool is asked for the same.
func TestArguments(t *testing.T) {
	for _, j := range []job{closedModel.job, openModel.job} {
		j.base, j.length = "http://127.0.0.1:1", 5*time.Second
		for _, k := range known {
			args := k.args(j)
			if args == nil {
				if model := map[string]int{"wrk": 0, bruntFlow: 0, "wrk2": 20_000, bruntRough: 20_000, vegetaUnbounded: 20_000}; model[k.name] == j.rate {
					t.Errorf("%s does not play at %d/s", k.name, j.rate)
				}
				continue
			}
			text := strings.Join(args, " ")
			if k.files != nil {
				for _, file := range k.files(j) {
					text += " " + file
				}
			}
			if k.input != nil {
				text += " " + k.input(j)
			}
			for _, want := range []string{"127.0.0.1:1", j.path, "5"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s is not told %q: %s", k.name, want, text)
				}
			}
			// brunt's open model takes as many connections as it needs.
			if !strings.Contains(text, "64") && k.name != vegetaUnbounded && (k.binary != "" || j.rate == 0) {
				t.Errorf("%s is not told of 64 connections: %s", k.name, text)
			}
		}
	}
}
