package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// The same run gives the same bytes, from disk or from memory.
func TestDeterministic(t *testing.T) {
	p := plays()["fail"]
	disk, memory := p.record(t), p.live(t)
	for format, print := range Formats() {
		var want bytes.Buffer
		if err := print(&want, Build(disk)); err != nil {
			t.Fatal(err)
		}
		for i, j := range []*journal.Journal{disk, disk, memory} {
			var got bytes.Buffer
			if err := print(&got, Build(j)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want.Bytes(), got.Bytes()) {
				t.Errorf("%s differs the %d. time", format, i+1)
			}
		}
	}
}

// report.json holds what the journal says, under the keys promised.
func TestFigures(t *testing.T) {
	j := play{}.live(t)
	var b bytes.Buffer
	if err := JSON(&b, Build(j)); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	at := func(path string) any {
		t.Helper()
		var v any = got
		for _, key := range strings.Split(path, "/") {
			m, ok := v.(map[string]any)
			if !ok || m[key] == nil {
				t.Fatalf("there is no %s in report.json", path)
			}
			v = m[key]
		}
		return v
	}
	judged := j.Window("browse", "", 5*time.Second, 65*time.Second)
	product := j.Window("browse", "product", 5*time.Second, 65*time.Second)
	whole := j.Counts("browse", 0, time.Hour)
	p90, _ := judged.Quantile(journal.Response, journal.All, 90)
	p999, _ := judged.Quantile(journal.Service, journal.All, 99.9)
	wait, _ := judged.Mean(journal.Wait, journal.All)
	ok, _ := judged.Max(journal.Response, journal.OnlyOK)
	step, _ := product.Min(journal.FirstByte, journal.All)
	for path, want := range map[string]any{
		"version":                  1.0,
		"verdict":                  "pass",
		"exit_code":                0.0,
		"run/state":                "completed",
		"run/judged_ns":            60e9,
		"loads/browse/offered":     float64(whole.Offered),
		"loads/browse/sent":        float64(whole.Sent),
		"loads/browse/completed":   float64(whole.Completed),
		"loads/browse/dropped":     0.0,
		"loads/browse/canceled":    0.0,
		"loads/browse/operations":  float64(whole.Ops),
		"loads/browse/status/503":  float64(whole.Status["503"]),
		"loads/browse/error_ratio": float64(judged.Failed()) / float64(judged.Ops()),
		// Counts of errors cover the whole run, ratios and latencies what is judged.
		"loads/browse/errors/reset":                      float64(whole.Failed["reset"]),
		"loads/browse/judged_operations":                 float64(judged.Ops()),
		"loads/browse/response/p90_ns":                   float64(p90),
		"loads/browse/service/p99_9_ns":                  float64(p999),
		"loads/browse/wait/mean_ns":                      float64(wait),
		"loads/browse/response_ok/max_ns":                float64(ok),
		"loads/browse/steps/product/first_byte/min_ns":   float64(step),
		"loads/browse/phases/steady/offered":             600.0,
		"loads/checkout/steps/cart/operations":           at("loads/checkout/operations"),
		"probes/replicas/max":                            5.0,
		"trust/bottleneck":                               false,
		"environment/os":                                 "linux/amd64",
		"timeline/step_ns":                               1e9,
		"timeline/columns":                               65.0,
		"trust/worst/cores":                              4.0,
		"loads/browse/phases/steady/rate_per_second":     120.0,
		"trust/loads/browse/sent_ratio":                  1.0,
		"loads/browse/phases/warmup/dropped":             0.0,
		"loads/browse/steps/list/errors/status":          float64(j.Window("browse", "list", 0, time.Hour).Class("status")),
		"loads/browse/steps/product/response/count":      float64(product.Ops()),
		"loads/browse/phases/storm/operations":           float64(j.Window("browse", "", 35*time.Second, 55*time.Second).Ops()),
		"loads/browse/spectrum/percent":                  at("loads/browse/spectrum/percent"),
		"loads/browse/phases/storm/response_p99_ns":      at("loads/browse/phases/storm/response_p99_ns"),
		"timeline/loads/browse/heatmap/step_ns":          1e9,
		"timeline/loads/browse/response_p99_ns":          at("timeline/loads/browse/response_p99_ns"),
		"timeline/loads/checkout/errors/reset":           at("timeline/loads/checkout/errors/reset"),
		"timeline/probes/replicas/value":                 at("timeline/probes/replicas/value"),
		"loads/checkout/phases/recovery/response_max_ns": at("loads/checkout/phases/recovery/response_max_ns"),
	} {
		switch want := want.(type) {
		case []any:
			if len(want) == 0 {
				t.Errorf("%s is empty", path)
			}
		default:
			if got := at(path); got != want {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
	}
	faults := got["faults"].([]any)
	if f := faults[1].(map[string]any); f["gone_ns"] != 51.009e9 || f["effective_ns"] != 45.312e9 || f["truth"] != "proven" || f["state"] != "gone" {
		t.Errorf("the fault is %v", f)
	}
	objectives := got["objectives"].([]any)
	if o := objectives[0].(map[string]any); len(objectives) != 10 || o["state"] != "pass" || o["line"] != 47.0 || o["phase"] != "steady" {
		t.Errorf("the first of %d objectives is %v", len(objectives), o)
	}
}

// A run that broke off before it wrote anything still has a report.
func TestEmpty(t *testing.T) {
	for name, plan := range map[string]journal.Plan{"nothing planned": {}, "nothing happened": play{}.plan()} {
		t.Run(name, func(t *testing.T) {
			r := Build(journal.New(plan))
			if r.Verdict != Inconclusive || r.ExitCode() != 3 || r.Run.State != unfinished {
				t.Errorf("%s, exit %d, run %s", r.Verdict, r.ExitCode(), r.Run.State)
			}
			for format, print := range Formats() {
				var b bytes.Buffer
				if err := print(&b, r); err != nil || b.Len() == 0 {
					t.Errorf("%s: %d bytes, %v", format, b.Len(), err)
				}
				if bytes.Contains(b.Bytes(), []byte("NaN")) || bytes.Contains(b.Bytes(), []byte("Inf")) {
					t.Errorf("%s has a number that is none:\n%s", format, b.String())
				}
			}
		})
	}
}

// A run cut off in the middle: what was seen counts, and it cannot pass.
func TestCutOff(t *testing.T) {
	upTo := func(end time.Duration, state string) play {
		return play{events: func(e journal.Event) []journal.Event {
			switch {
			case e.Kind == journal.RunEnded && state != "":
				e.At, e.State, e.Text = end, state, "browse.errors > 50% for 15s"
			case e.At > end || e.Kind == journal.RunEnded:
				return nil
			}
			return []journal.Event{e}
		}}
	}
	tests := []struct {
		name  string
		play  play
		exit  int
		cause string
	}{
		// The slow_payments fault is there at 47 s, and nothing says it is gone.
		{"crashed during a fault", upTo(47*time.Second, ""), 4, "not verified gone"},
		{"crashed before any fault", upTo(30*time.Second, ""), 3, "without saying how"},
		{"aborted", upTo(30*time.Second, "aborted"), 3, "aborted at 30s of 1m5s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Build(tt.play.live(t))
			if r.ExitCode() != tt.exit || !strings.Contains(r.Cause, tt.cause) {
				t.Errorf("exit %d: %s\nwant %d, with %q", r.ExitCode(), r.Cause, tt.exit, tt.cause)
			}
		})
	}
}
