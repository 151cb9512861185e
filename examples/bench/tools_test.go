package main

import (
	"slices"
	"strings"
	"testing"
	"time"
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
func TestTable(t *testing.T) {
	us := time.Microsecond
	results := map[string][]turn{
		"brunt": {{cpu: 8 * us, rate: 100, p50: 300 * us, p99: 400 * us, truth: 200 * us}, {cpu: 80 * us, rate: 100, p50: 300 * us, p99: 400 * us, truth: 200 * us}, {cpu: 8 * us, err: errNoPercentiles}},
		"wrk":   {{cpu: 10 * us, rate: 90, p50: 310 * us, p99: 500 * us, truth: 210 * us}, {cpu: 100 * us, rate: 90, p50: 310 * us, p99: 500 * us, truth: 210 * us}, {cpu: us, rate: 90}},
		"k6":    {{err: errNoPercentiles}},
	}
	var out strings.Builder
	table(&out, contests[0], []tool{{name: "brunt"}, {name: "wrk"}, {name: "k6"}, {name: "wrk2"}}, results)
	for _, want := range []string{
		"brunt             44.0µs         1.00         100     0.300ms     0.400ms      0.100ms  (1 of 3 turns failed",
		"wrk *             10.0µs         0.80          90",
		"k6          failed: its output has no percentiles",
		"wrk2        has no such model",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// Every tool is asked for the same.
func TestArguments(t *testing.T) {
	for _, c := range contests {
		for _, k := range known {
			args := k.args(c, "http://127.0.0.1:1"+c.path, 5*time.Second)
			if args == nil {
				if open := c.rate > 0; k.name != "wrk" && k.name != "wrk2" || (k.name == "wrk") != open {
					t.Errorf("%s does not play %s", k.name, c.name)
				}
				continue
			}
			text := " " + strings.Join(args, " ")
			if !strings.Contains(text, "64") && (k.name != "brunt" || c.rate == 0) {
				t.Errorf("%s is not told of 64 connections: %v", k.name, args)
			}
			if k.input == nil && !slices.ContainsFunc(args, func(a string) bool { return strings.HasSuffix(a, "http://127.0.0.1:1"+c.path) }) {
				t.Errorf("%s is not told where to: %v", k.name, args)
			}
		}
	}
}
