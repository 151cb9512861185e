package tui

import (
	"math"
	"testing"
	"time"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{"Füße 测试 ok", "Füße 测试 ok"},         // people's own words stay
		{"two\nlines\tand", "two lines and"}, // one line
		{"\x1b[31mred\x1b[0m", "red"},        // no colours of others
		{"a\x1b]0;title\x07b", "a0;titleb"},  // nor titles
		{"\u009b2Jx", "x"},                   // nor the one-character sequences
		{"abc\u202edef\u200b", "abcdef"},     // nor writing turned round
		{"\x00\x01\x7f", ""},                 // nothing is left of nothing
		{"bad \xff byte", "bad ? byte"},
	}
	for _, test := range tests {
		if got := clean(test.in); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
	long := make([]byte, 10_000)
	for i := range long {
		long[i] = 'x'
	}
	if got := textWidth(clean(string(long))); got != longestText+1 {
		t.Errorf("a long text keeps %d cells", got)
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		in   string
		w    int
		want string
	}{
		{"hello", 5, "hello"},
		{"hello", 4, "hel…"},
		{"hello", 1, "…"},
		{"hello", 0, ""},
		{"hello", -3, ""},
		{"测试测试", 5, "测试…"}, // two cells each
		{"测试测试", 4, "测…"},
		{"", 3, ""},
	}
	for _, test := range tests {
		got := cut(test.in, test.w)
		if got != test.want || textWidth(got) > max(test.w, 0) {
			t.Errorf("%q in %d: %q, want %q", test.in, test.w, got, test.want)
		}
	}
}

func TestFit(t *testing.T) {
	r := row{{"abc", plain}, {"", bad}, {"测试", bad}, {"de", plain}} // 9 cells
	for w := -1; w < 12; w++ {
		if got := r.fit(w).width(); got != max(w, 0) {
			t.Errorf("in %d: %d cells", w, got)
		}
		if got := spread(r, row{{"xy", plain}}, w).width(); got != max(w, 0) {
			t.Errorf("spread in %d: %d cells", w, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct{ got, want string }{
		{clock(0), "00:00"},
		{clock(-time.Second), "00:00"},
		{clock(65*time.Second + 999*time.Millisecond), "01:05"},
		{clock(time.Hour + 2*time.Minute + 3*time.Second), "1:02:03"},
		{latency(0), "0ns"},
		{latency(950 * time.Nanosecond), "950ns"},
		{latency(12340 * time.Nanosecond), "12.3µs"},
		{latency(999600 * time.Nanosecond), "1ms"},
		{latency(1500 * time.Microsecond), "1.5ms"},
		{latency(412 * time.Millisecond), "412ms"},
		{latency(1230 * time.Millisecond), "1.23s"},
		{latency(90 * time.Second), "90s"},
		{latency(20 * time.Minute), "20:00"},
		{latency(-time.Millisecond), "-1ms"},
		{perSecond(0), "0/s"},
		{perSecond(2.5), "2.5/s"},
		{perSecond(199.6), "200/s"},
		{perSecond(12345), "12.3k/s"},
		{perSecond(9999.7), "10k/s"},
		{amount(4.56e6), "4.56M"},
		{amount(-3), "-3"},
		{amount(math.NaN()), "–"},
		{amount(math.Inf(-1)), "–"},
		{amount(1e15), "1.0e+15"},
		{share(0, 10), "0%"},
		{share(1, 0), "–"},
		{share(1, 400), "0.25%"},
		{share(1, 1_000_000), "<0.01%"}, // what is not nothing is not 0%
		{share(3, 3), "100%"},
		{reading(4, ""), "4"},
		{reading(1.5e6, "ns"), "1.5ms"},
		{reading(0.25, "ratio"), "25%"},
		{reading(2048, "bytes"), "2KiB"},
		{reading(5e15, "bytes"), "4547TiB"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestLocale(t *testing.T) {
	tests := []struct {
		environ []string
		want    bool
	}{
		{nil, false},
		{[]string{"LANG=en_GB.UTF-8"}, true},
		{[]string{"LANG=C.utf8"}, true},
		{[]string{"LANG=en_GB.UTF-8", "LC_ALL=C"}, false}, // the first that is set decides
		{[]string{"LANG=C", "LC_CTYPE=de_DE.UTF-8"}, true},
		{[]string{"LC_ALL=", "LANG=de_DE.UTF-8"}, true}, // empty is not set
		{[]string{"LANG=C", "LANG=C.UTF-8"}, true},      // the last one counts
	}
	for _, test := range tests {
		if got := isUTF8(test.environ); got != test.want {
			t.Errorf("%q: %v", test.environ, got)
		}
	}
}

func TestBars(t *testing.T) {
	c := []column{{0, 0, true}, {2, 4, true}, {4, 4, true}, {}, {1, 1, true}}
	for i, want := range []string{" ░█  ", "▁██ ▄"} {
		if got := bars(c, 4, 2)[i]; got != want {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
	if got := spark(c, 4); got != "▁██ ▂" {
		t.Errorf("in one line: %q", got)
	}
	if got := spark([]column{{math.NaN(), math.NaN(), true}, {1, math.Inf(1), true}}, math.Inf(1)); textWidth(got) != 2 {
		t.Errorf("of odd numbers: %q", got)
	}
}

// A column, once drawn, stands for the same seconds until it leaves.
func TestColumnsKeepStill(t *testing.T) {
	var history []moment
	for s := 1; s <= 300; s++ {
		history = append(history, moment{at: time.Duration(s)*time.Second + 2*time.Millisecond, offered: float64(s), achieved: float64(s)})
	}
	per := 7 * time.Second
	var before []column
	for s := 1; s <= 300; s++ {
		now := time.Duration(s)*time.Second + 5*time.Millisecond
		columns := rateColumns(history[:s], 20, per, now)
		if s > 1 && int(now/per) < 20 { // not moving yet: only the newest may change
			for i := range int((now - time.Second) / per) {
				if columns[i] != before[i] {
					t.Fatalf("at %d s, column %d went from %v to %v", s, i, before[i], columns[i])
				}
			}
		}
		before = columns
	}
}
