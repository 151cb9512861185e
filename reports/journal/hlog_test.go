package journal

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSeconds(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0.000"},
		{time.Second, "1.000"},
		{90*time.Minute + 20*time.Millisecond, "5400.020"},
		{time.Second + 1, "1.000000001"},                // to the nanosecond where milliseconds lose it
		{math.MaxInt64, "9223372036.854775807"},         // the end of time
		{1234567*time.Hour + 5, "4444441200.000000005"}, // past what a float can tell apart
	}
	for _, tt := range tests {
		got := appendSeconds(nil, tt.d)
		if string(got) != tt.want {
			t.Errorf("%d: %s, want %s", tt.d, got, tt.want)
		}
		if back, err := parseSeconds(got); err != nil || back != tt.d {
			t.Errorf("%s came back as %d, %v", got, back, err)
		}
	}
	// Other writers' numbers.
	for s, want := range map[string]time.Duration{"12": 12 * time.Second, "0.5": 500 * time.Millisecond, "3.": 3 * time.Second} {
		if got, err := parseSeconds([]byte(s)); err != nil || got != want {
			t.Errorf("%s is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", "-1", "1e3", "1.0000000001", "9223372036.854775808", "99999999999", "0x1", " 1", "1,0"} {
		if got, err := parseSeconds([]byte(s)); err == nil {
			t.Errorf("%q was taken for %v", s, got)
		}
	}
}

func TestTag(t *testing.T) {
	for _, k := range []seriesKey{
		{"shop", "list", "ok", Response},
		{"", "", "", ""},
		{"a/b", "c,d e", "100%\n", "é\x00"},
	} {
		s := tag(k.load, k.step, k.outcome, k.measure)
		if strings.ContainsAny(s, ", \r\n") {
			t.Errorf("tag %q would break its line", s)
		}
		if back, err := parseTag(s); err != nil || back != k {
			t.Errorf("%q came back as %q, %v", k, back, err)
		}
	}
	for _, s := range []string{"", "a/b/c", "a/b/c/d/e", "a/b/c/%zz"} {
		if k, err := parseTag(s); err == nil {
			t.Errorf("%q was taken for %q", s, k)
		}
	}
}

// A line that is accepted says the same when it is written again.
func FuzzIntervalLine(f *testing.F) {
	e := newEncoder()
	h := NewHistogram()
	for _, v := range []int64{1, 1e6, 1e6, 5e9} {
		if err := h.RecordValue(v); err != nil {
			f.Fatal(err)
		}
	}
	line, err := e.appendLine(nil, Interval{Load: "shop", Step: "a b", Outcome: "ok", Measure: Wait, Start: time.Second + 1, Length: time.Second, Hist: h})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.TrimSuffix(line, []byte("\n")))
	f.Add([]byte("#[StartTime: 1.000 (seconds since epoch), x]"))
	f.Add([]byte("Tag=a/b/c/d,0.000,1.000,0.000,HISTFAAAABl42pNpmSzMwMDAwAABzFCaEUzANNh/AAAFygHK"))
	f.Add([]byte("Tag=a/b/c/d,0.000,1.000,0.000,"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var d decoder
		p, ok, err := d.parse(line)
		if err != nil || !ok {
			return
		}
		iv := Interval{Load: p.key.load, Step: p.key.step, Outcome: p.key.outcome, Measure: p.key.measure, Start: p.start, Length: p.length, Hist: NewHistogram()}
		err = eachCount(p.payload, func(i int, n int64) {
			if err := iv.Hist.RecordValues(clamp(lowestAt(i)), n); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := newEncoder().appendLine(nil, iv)
		if err != nil {
			t.Fatal(err)
		}
		var d2 decoder
		p2, ok, err := d2.parse(bytes.TrimSuffix(again, []byte("\n")))
		if err != nil || !ok {
			t.Fatalf("%q: %v", again, err)
		}
		if p2.key != p.key || p2.start != p.start || p2.length != p.length || p2.count != p.count {
			t.Fatalf("%+v came back as %+v", p, p2)
		}
	})
}

// An event that is accepted is written and read back the same.
func FuzzEventLine(f *testing.F) {
	f.Add([]byte(`{"t_ns":1000000000,"event":"load","name":"shop","load":{"offered":40,"sent":40,"completed":40,"dropped":0,"ops":40,"failed":{"timeout":4},"status":{"200":36},"bytes_out":0,"bytes_in":0,"in_flight":0,"waiting":0,"sessions":0,"planned":40}}`))
	f.Add([]byte(`{"t_ns":1,"event":"probe","name":"lag","value":1e308,"targets":[],"wall":"2026-11-27T09:00:00.25Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, line []byte) {
		j := New(Plan{})
		if j.readEvent(line) != nil || len(j.Events()) == 0 {
			return
		}
		var lines bytes.Buffer
		appendEvent(&lines, j.Events()[0])
		if bytes.Count(lines.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("not a line: %q", lines.Bytes())
		}
		back := New(Plan{})
		if err := back.readEvent(bytes.TrimSuffix(lines.Bytes(), []byte("\n"))); err != nil {
			t.Fatalf("%q: %v", lines.Bytes(), err)
		}
		// By what is written: an empty list and none are the same.
		var again bytes.Buffer
		appendEvent(&again, back.Events()[0])
		if diff := cmp.Diff(lines.String(), again.String()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if !json.Valid(lines.Bytes()) {
			t.Fatalf("not JSON: %q", lines.Bytes())
		}
	})
}
