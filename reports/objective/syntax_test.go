package objective

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is accepted, and how it is written down.
func TestCanonical(t *testing.T) {
	for _, test := range []struct{ src, want string }{
		{"browse.p99 < 300ms", ""},
		{"browse.p99<300ms", "browse.p99 < 300ms"},                                     // spaces are free
		{"\tbrowse.p99  <\n300ms ", "browse.p99 < 300ms"},                              // folded YAML too
		{"browse.p99.9 <= 1.5s", "browse.p99.9 <= 1.5s"},                               // a point inside a percentile
		{"browse.p99.90 < 1s", "browse.p99.9 < 1s"},                                    // zeros that say nothing
		{"browse.p05 > 1ms", "browse.p5 > 1ms"},                                        // and in front
		{"browse.list.p99 < 90s", "browse.list.p99 < 1m30s"},                           // a step
		{"browse.response.p99 < 60m", "browse.p99 < 1h"},                               // the default measure
		{"browse.list.service.ok.max < 1h0m5s", "browse.list.ok.service.max < 1h0m5s"}, // outcome and measure in either order
		{"browse.first_byte.mean < 100us", "browse.first_byte.mean < 100µs"},           // microseconds as people type them
		{"browse.errors < 0.10%", "browse.errors < 0.1%"},                              // a ratio
		{"browse.errors < 5", ""},                                                      // a count
		{"browse.list.errors.timeout == 0", ""},                                        // one class
		{"browse.rate >= 30k/min", "browse.rate >= 30000/min"},                         // a rate keeps its time
		{"browse.rate 400/s..0.5k/s", "browse.rate 400/s..500/s"},                      // a range
		{"browse.offered > 1M", "browse.offered > 1000000"},                            // a magnitude
		{"browse.status.503 < 5", ""},                                                  //
		{"replicas 6..20", ""},                                                         // a bare probe
		{"replicas 6 .. 20", "replicas 6..20"},                                         //
		{"temperature -5..40.5", ""},                                                   // below zero
		{"replicas.last != 3", ""},                                                     //
		{"lag.failures <= 2", ""},                                                      //
		{"lag.max < 50ms", ""},                                                         // a load or a probe
		{"memory.mean < 1.5GiB", ""},                                                   // bytes
		{`"a b.c"."p99".p99 < 1s`, ""},                                                 // names in quotes
		{`"browse"."list".p99 < 1s`, "browse.list.p99 < 1s"},                           // that need none
		{`"rate" > 5`, ""},                                                             // a probe called like a metric
		{"404.p99 < 1s", ""},                                                           // names of digits
		{"browse.404.p99 < 1s", ""},                                                    //
		{"shop-2.p99 < 1s", ""},                                                        //
		{"browse.p99 < 1s while calm within 30s in surge after 90s", "browse.p99 < 1s in surge within 30s after 1m30s while calm"},
		{`browse.errors < 5% while "calm" in "in"`, `browse.errors < 5% in "in" while "calm"`}, // names that are words
		{"browse.errors < 5% in phase.1", `browse.errors < 5% in "phase.1"`},                   // a point in a name
		{"browse.errors > 50% for 15s", ""},      // an abort condition
		{"browse.p99 < -0ms", "browse.p99 < 0s"}, // nothing is nothing
	} {
		o, err := Compile(test.src)
		if err != nil {
			t.Errorf("%q: %v", test.src, err)
			continue
		}
		want := test.want
		if want == "" {
			want = test.src
		}
		if o.Source() != want {
			t.Errorf("%q: written as %q, want %q", test.src, o.Source(), want)
		}
		again, err := Compile(o.Source())
		if err != nil || again.Source() != o.Source() {
			t.Errorf("%q: %q does not compile to itself: %q, %v", test.src, o.Source(), again.Source(), err)
		}
	}
}

// What is refused: where, why, and what was likely meant.
func TestSyntaxErrors(t *testing.T) {
	for _, test := range []struct{ src, caret, message, hint string }{
		// Nothing, or nothing that could be a subject.
		{"", "^", `the objective is empty`, `write something like browse.p99 < 300ms`},
		{"< 300ms", "^", `expected the name of a load or a probe, found "<"`, `write something like browse.p99 < 300ms`},
		{"browse. < 300ms", "       ^", `expected a metric, found " "`, `write something like browse.p99 < 300ms`},
		{"browse..p99 < 300ms", "      ^", `expected an operator (< <= > >= == !=) or a range, found "."`, `write something like < 300ms, or 6..20`},
		{`"browse.p99 < 300ms`, "^^^^^^^^^^^^^^^^^^^", `the quote is never closed`, ``},
		{`"".p99 < 300ms`, "^^", `the name is empty`, ``},
		{"\"a\tb\".p99 < 300ms", "  ^", `a name holds printable characters only`, ``},
		{"in.p99 < 300ms", "^^", `expected the name of a load or a probe, found the word "in"`, `a name that is a word of the language is written in quotes: "in"`},
		// A metric of nothing.
		{"p95<500", "^^^", `p95 of which load?`, `name it, and the unit is never optional: browse.p95 < 500ms`},
		{"p99.9 < 300ms", "^^^^^", `p99.9 of which load?`, `name it: browse.p99.9`},
		{"errors.timeout < 1%", "^^^^^^", `errors of which load?`, `name it: browse.errors.timeout`},
		{"rate<0.01", "^^^^", `rate of which load?`, `name it: browse.rate; the share of failed operations is browse.errors`},
		// Units.
		{"browse.p95<500", "           ^^^", `p95 is a duration and 500 has no unit`, `a unit is never optional: did you mean 500ms?`},
		{"browse.rate > 500", "              ^^^", `rate is a rate and 500 has no unit`, `a unit is never optional: did you mean 500/s?`},
		{"browse.p99 < 300 ms", "                 ^^", `a unit stands directly behind its number`, `did you mean 300ms?`},
		{"browse.p99 < 300msec", "                ^^^^", `unknown unit "msec"`, `did you mean 300ms?`},
		{"browse.p99 < 1d", "              ^", `unknown unit "d"`, `write days as hours: 24h`},
		{"browse.rate > 500rps", "                 ^^^", `unknown unit "rps"`, `did you mean 500/s?`},
		{"browse.rate > 500/sec", "                 ^^^^", `unknown unit "/sec"`, `did you mean 500/s?`},
		{"memory < 5KB", "          ^^", `unknown unit "KB"`, `did you mean 5kB?`},
		{"browse.p99 < 5furlongs", "              ^^^^^^^^", `unknown unit "furlongs"`, `durations end in ns, us, ms, s, m or h, ratios in %, rates in /s, /min or /h, bytes in B, kB, MB, KiB or MiB`},
		{"browse.p99 < 5s3m", "               ^^", `the units of a duration go from large to small, each at most once`, `as in 1m30s`},
		{"browse.p99 < 0.0001ns", "             ^^^^^^^^", `0.0001ns is finer than a nanosecond`, ``},
		{"browse.p99 < 99999999h", "             ^^^^^^^^^", `99999999h is too long`, `at most 2562047h, some 292 years`},
		{"lag 5..6ms", "    ^^^^^^", `the ends of a range are of one unit, here they are a plain number and a duration`, `a unit is never optional: did you mean 5ms..6ms?`},
		// Numbers.
		{"browse.p99 < .5s", "             ^", `expected a value, found "."`, `write 0.5, with a digit before the point`},
		{"browse.offered > 1,000", "                 ^^^^^", `digits are written without separators`, `write 1000`},
		{"browse.offered > 1_000", "                 ^^^^^", `digits are written without separators`, `write 1000`},
		{"browse.offered > 12345678901234567890", "                 ^^^^^^^^^^^^^^^^^^^^", `12345678901234567890 has too many digits`, `at most 15 before the point and 9 after it`},
		{"browse.offered > 999999999999M", "                 ^^^^^^^^^^^^^", `999999999999M has too many digits`, `at most 15 before the point and 9 after it`},
		{"browse.p99 < $limit", "             ^", `expected a value, found "$"`, `the variable is not defined`},
		{"browse.p99 <", "            ^", `expected a value, found the end`, `values look like 300ms, 0.1%, 500/s, 1KiB or 5`},
		{"browse.p99 < fast", "             ^^^^", `expected a value, found "fast"`, `values look like 300ms, 0.1%, 500/s, 1KiB or 5`},
		// Types.
		{"browse.p99 < 5%", "             ^^", `p99 is a duration, found a ratio`, `write something like 300ms; the share of failed operations is browse.errors`},
		{"browse.errors < 300ms", "                ^^^^^", `errors is a plain number, found a duration`, `write a ratio such as 0.1%, or a number of operations such as 5`},
		{"browse.errors < 0.1", "                ^^^", `errors is a whole number, found 0.1`, `a share of the operations is written with %: did you mean 0.1% or 10%?`},
		{"browse.dropped < 1%", "                 ^^", `dropped is a plain number, found a ratio`, `the share of dropped operations is browse.errors.dropped < 1%`},
		{"browse.completed > 500/s", "                   ^^^^^", `completed is a plain number, found a rate`, `a rate is browse.rate > 500/s`},
		{"browse.rate < 1%", "              ^^", `rate is a rate, found a ratio`, `the share of failed operations is browse.errors < 1%`},
		{"browse.status.503 < 1%", "                    ^^", `status.503 is a plain number, found a ratio`, `write something like 5`},
		{"browse.p99 > -5ms", "             ^^^^", `p99 is never below zero`, ``},
		{"browse.offered > 1.5", "                 ^^^", `offered is a whole number, found 1.5`, ``},
		{"lag.failures < 1%", "               ^^", `failures is a plain number, found a ratio`, `failures are counted: write a number such as 5`},
		{"replicas 20..6", "         ^^^^^", `the range is empty`, `did you mean 6..20?`},
		// Operators.
		{"browse.p99 =< 5ms", "           ^^", `unknown operator "=<"`, `did you mean <=?`},
		{"browse.p99 = 5ms", "           ^", `unknown operator "="`, `did you mean ==?`},
		{"browse.p99 <> 5ms", "           ^^", `unknown operator "<>"`, `did you mean !=?`},
		{"browse.p99 ≤ 5ms", "           ^^^", `expected an operator (< <= > >= == !=) or a range, found "≤"`, `did you mean <=?`},
		{"browse.p99 under 5ms", "           ^^^^^", `expected an operator (< <= > >= == !=) or a range, found "under"`, `did you mean <?`},
		{"browse.p99 5ms", "           ^^^", `expected an operator before 5ms`, `write < 5ms, <= 5ms, > 5ms, >= 5ms, == 5ms, or a range such as 5ms..5ms`},
		{"browse.p99", "          ^", `expected an operator (< <= > >= == !=) or a range, found the end`, `write something like < 300ms, or 6..20`},
		{"replicas 6...20", "          ^^^", `a range is written with two points`, `as in 6..20`},
		// k6 and others.
		{"browse.p(95)<500", "       ^^^^^", `p(95) is how k6 writes a percentile`, `write browse.p95 < 500ms, naming the load and the unit`},
		{"p(99.9) < 1500", "^^^^^^^", `p(99.9) is how k6 writes a percentile`, `write LOAD.p99.9 < 1500ms, naming the load and the unit`},
		{"http_req_duration: p(95)<500", "                 ^", `expected an operator (< <= > >= == !=) or a range, found ":"`, `an objective names load and metric with points between: browse.p95 < 500ms`},
		{"browse{status:200}.p99 < 5ms", "      ^", `metrics take no tags`, `a step is LOAD.STEP.p99, an outcome LOAD.ok.p99, a status LOAD.status.503`},
		{"browse.max(5) < 5ms", "          ^", `metrics take no arguments`, `write something like browse.p99 < 300ms`},
		// Metrics.
		{"browse.avg < 5ms", "       ^^^", `no metric is called "avg"`, `did you mean mean? If it is a step, add the metric: browse.avg.p99`},
		{"browse.list.avg < 5ms", "            ^^^", `no metric is called "avg"`, `did you mean mean?`},
		{"browse.list.erors < 5%", "            ^^^^^", `no metric is called "erors"`, `did you mean errors?`},
		{"browse.throughput > 5/s", "       ^^^^^^^^^^", `no metric is called "throughput"`, `did you mean rate? If it is a step, add the metric: browse.throughput.p99`},
		{"browse.checkout < 5ms", "       ^^^^^^^^", `no metric is called "checkout"`, `if it is a step, add the metric: browse.checkout.p99`},
		{"browse.ok < 5ms", "       ^^", `ok of what?`, `add a metric: browse.ok.p99`},
		{"browse.list.service < 5ms", "            ^^^^^^^", `service of what?`, `add a metric: browse.list.service.p99`},
		{"browse.ok.failed.p99 < 5ms", "          ^^^^^^", `failed is one outcome or measure too many`, `as in LOAD.STEP.ok.service.p99`},
		{"browse.service.errors < 5%", "               ^^^^^^", `errors does not go with service`, `ok, failed, service, wait and the like go with pNN, min, mean and max`},
		{"browse.list.rate > 5/s", "            ^^^^", `rate is counted for a whole load, not for one step`, `write browse.rate`},
		{"browse.p99.ok < 5ms", "           ^^", `nothing can follow p99`, `the metric comes last: LOAD.STEP.ok.service.p99`},
		{"browse.errors.tiemout < 5%", "              ^^^^^^^", `no class of errors is called "tiemout"`, `did you mean timeout?`},
		{"browse.errors.503 < 5%", "              ^^^", `no class of errors is called "503"`, `did you mean browse.status.503?`},
		{"browse.status < 5", "       ^^^^^^", `status takes a code`, `as in browse.status.503`},
		{`browse."p99" < 5ms`, "       ^^^^^", `no metric is called "p99"`, `if it is a step, add the metric: browse."p99".p99`},
		// Percentiles.
		{"browse.p0.99 < 5ms", "       ^^^^^", `p0.99 is not a percentile between 0 and 100`, `did you mean p99?`},
		{"browse.p0.999 < 5ms", "       ^^^^^^", `p0.999 is not a percentile between 0 and 100`, `did you mean p99.9?`},
		{"browse.p999 < 5ms", "       ^^^^", `p999 is not a percentile between 0 and 100`, `did you mean p99.9?`},
		{"browse.p0 < 5ms", "       ^^", `p0 is not a percentile between 0 and 100`, `the lowest value is min`},
		{"browse.p100 < 5ms", "       ^^^^", `p100 is not a percentile between 0 and 100`, `the highest value is max`},
		{"browse.p99.12345 < 5ms", "       ^^^^^^^^^", `p99.12345 is not a percentile between 0 and 100`, `as in p99 or p99.99`},
		{"browse.p99th < 5ms", "       ^^^^^", `p99th is not a percentile`, `as in p99 or p99.9`},
		// Clauses.
		{"browse.p99 < 5ms whitin 30s", "                 ^^^^^^", `expected a clause (in, within, after, while, for) or the end, found "whitin"`, `did you mean within?`},
		{"browse.p99 < 5ms during storm", "                 ^^^^^^", `expected a clause (in, within, after, while, for) or the end, found "during"`, `did you mean in PHASE or while FAULT?`},
		{"browse.p99 < 5ms and browse.errors < 1%", "                 ^^^", `expected a clause (in, within, after, while, for) or the end, found "and"`, `an objective says one thing: write the other one as an objective of its own`},
		{"browse.p99 < 5ms, browse.errors < 1%", "                ^", `expected a clause (in, within, after, while, for) or the end, found ","`, `an objective says one thing: write the other one as an objective of its own`},
		{"browse.p99 < 5ms in a in b", "                      ^^", `"in" is given twice`, `each clause stands at most once`},
		{"browse.p99 < 5ms while", "                      ^", `expected the name of a fault, or calm, found the end`, ``},
		{"browse.p99 < 5ms in for", "                    ^^^", `expected the name of a phase, found the word "for"`, `a name that is a word of the language is written in quotes: "for"`},
		{"browse.p99 < 5ms within 30", "                        ^^", `a unit is never optional`, `did you mean 30s?`},
		{"browse.p99 < 5ms within 5%", "                        ^^", `"within" takes a duration, found a ratio`, `as in within 30s`},
		{"browse.p99 < 5ms within 1500ms", "                        ^^^^^^", `"within" takes whole seconds: what is measured is kept by the second`, `did you mean 2s?`},
		{"browse.p99 < 5ms after 0s", "                       ^^", `"after" takes a duration above zero`, ``},
		{"browse.p99 < 5ms for -5s", "                     ^^^", `"for" takes a duration above zero`, ``},
		{"browse.p99 < 5ms )", "                 ^", `expected a clause (in, within, after, while, for) or the end, found ")"`, ``},
		// Bytes that are no text.
		{"browse.p99 < 5ms\xff", "                ^", `the text is not valid UTF-8`, ``},
	} {
		_, err := Compile(test.src)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q: no syntax error but %v", test.src, err)
			continue
		}
		caret := strings.Repeat(" ", e.Offset) + strings.Repeat("^", e.Length)
		if got, want := []string{caret, e.Message, e.Hint}, []string{test.caret, test.message, test.hint}; !cmp.Equal(got, want) {
			t.Errorf("%s\n%s\n%s; %s\nwant\n%s\n%s; %s", test.src, caret, e.Message, e.Hint, test.caret, test.message, test.hint)
		}
	}
}

// An objective is one line, not a document.
func TestTooLong(t *testing.T) {
	_, err := Compile("browse.p99 < 5ms" + strings.Repeat(" ", 1<<20))
	var e *SyntaxError
	if !errors.As(err, &e) || e.Offset != maxSource {
		t.Error(err)
	}
}

// The names used, with their places, for the scenario compiler.
func TestReferences(t *testing.T) {
	for _, test := range []struct {
		src  string
		want []Reference
	}{
		{"browse.p99 < 5ms", []Reference{{Load, "browse", 0, 6}}},
		{"browse.list.p99 < 5ms in surge", []Reference{{Load, "browse", 0, 6}, {Step, "list", 7, 4}, {Phase, "surge", 25, 5}}},
		{`"a b".p99 < 5ms while "x.y"`, []Reference{{Load, "a b", 0, 5}, {Fault, "x.y", 22, 5}}},
		{"browse.p99 < 5ms while calm", []Reference{{Load, "browse", 0, 6}}},
		{"replicas 6..20", []Reference{{Probe, "replicas", 0, 8}}},
		{"replicas.last > 5", []Reference{{Probe, "replicas", 0, 8}}},
		// What the value says of the subject.
		{"x.max < 5ms", []Reference{{LoadOrProbe, "x", 0, 1}}},
		{"x.max < 5", []Reference{{Probe, "x", 0, 1}}},
		{"x.ok.max < 5ms", []Reference{{Load, "x", 0, 1}}},
		{"x.wait.max < 5ms", []Reference{{Load, "x", 0, 1}}},
	} {
		o, err := Compile(test.src)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, o.References()); diff != "" {
			t.Errorf("%s\n%s", test.src, diff)
		}
	}
}

func TestMetric(t *testing.T) {
	for _, test := range []struct {
		src                 string
		load, step, measure string
		q                   float64
	}{
		{"browse.p99 < 5ms", "browse", "", "p99", 99},
		{"browse.list.failed.service.p99.9 < 5ms", "browse", "list", "failed.service.p99.9", 99.9},
		{"browse.errors.timeout < 5%", "browse", "", "errors.timeout", 0},
		{"browse.status.503 < 5", "browse", "", "status.503", 0},
		{"replicas > 5", "", "", "", 0},
		{"replicas.max > 5", "", "", "max", 0},
	} {
		o, err := Compile(test.src)
		if err != nil {
			t.Fatal(err)
		}
		load, step, measure := o.Metric()
		q, ok := o.Percentile()
		if load != test.load || step != test.step || measure != test.measure || q != test.q || ok != (test.q != 0) {
			t.Errorf("%s: %q %q %q %v %v", test.src, load, step, measure, q, ok)
		}
	}
}

// FuzzCompile: nothing crashes, errors point into the source, and what is
// accepted round-trips.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"browse.list.ok.service.p99.9 <= 1m30s in surge within 30s after 90s while kill",
		"replicas 6..20", `"a b".errors.timeout < 0.1% while calm`, "x.rate 30k/min..1M/h for 15s",
		"browse.p(95)<500", "p0.99 < 300 ms", "lag -5.5..1e3", "m < 1KiB", "x.status.503 == 0", `"in".p99<1s in "in"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		o, err := Compile(src)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("%q: a %T", src, err)
			}
			if e.Offset < 0 || e.Offset > len(src) || e.Length < 1 || e.Offset+e.Length > len(src)+1 || e.Message == "" {
				t.Fatalf("%q: error at %d, %d bytes: %q", src, e.Offset, e.Length, e.Message)
			}
			return
		}
		again, err := Compile(o.Source())
		if err != nil {
			t.Fatalf("%q was accepted, %q is not: %v", src, o.Source(), err)
		}
		if again.Source() != o.Source() {
			t.Fatalf("%q is written %q, and that %q", src, o.Source(), again.Source())
		}
		if again.s.high.base.Cmp(o.s.high.base) != 0 || again.s.subject != o.s.subject {
			t.Fatalf("%q and %q are not the same statement", src, o.Source())
		}
		for _, r := range o.References() {
			if r.Offset < 0 || r.Offset+r.Length > len(src) || !strings.Contains(src[r.Offset:r.Offset+r.Length], r.Name) {
				t.Fatalf("%q: reference %+v", src, r)
			}
		}
	})
}
