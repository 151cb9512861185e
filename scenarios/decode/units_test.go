package decode

import (
	"errors"
	"math"
	"math/rand/v2"
	"regexp"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		hint string // of the error; "-" is an error without one
	}{
		{"300ms", 300 * time.Millisecond, ""},
		{"1h2m3.5s", time.Hour + 2*time.Minute + 3500*time.Millisecond, ""}, // as Go has it
		{".5s", 500 * time.Millisecond, ""},
		{"7us", 7 * time.Microsecond, ""},
		{"7µs", 7 * time.Microsecond, ""},
		{"0s", 0, ""},
		{"300", 0, "write 300ms"},    // large numbers are milliseconds in other tools
		{"5", 0, "write 5s"},         // small ones seconds
		{"0", 0, "write 0s"},         // a unit is never optional
		{"5 s", 0, "write 5s"},       // no spaces
		{"5sec", 0, "write 5s"},      // words of other tools
		{"2 minutes", 0, "write 2m"}, //
		{"1d", 0, "write 24h"},       // Go has no days
		{"1.5d", 0, "write 36h"},     //
		{"2w", 0, "write 336h"},      //
		{"5M", 0, "write 5m"},        // case matters
		{"5x", 0, "units are ns, us, ms, s, m and h"},
		{"1h30", 0, "-"},      // the second unit is missing
		{"-5s", 0, "-"},       // a duration is not negative
		{"99999999h", 0, "-"}, // past 292 years
		{"soon", 0, "-"},      // not a number
		{"", 0, "-"},          //
	} {
		got, err := ParseDuration(c.text)
		checkError(t, c.text, err, c.hint)
		if got != c.want {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		hint string
	}{
		{"0B", 0, ""},
		{"512B", 512, ""},
		{"1KiB", 1024, ""},
		{"1.5GiB", 3 << 29, ""},
		{"2kB", 2000, ""},
		{"2KB", 2000, ""}, // often written so; 1000 is what it says
		{"1MB", 1e6, ""},
		{"8388607TiB", 8388607 << 40, ""}, // the most that fits
		{"8388608TiB", 0, "-"},            // one more does not
		{"64", 0, "write 64B, or 64KiB"},  // a unit is never optional
		{"64k", 0, "write 64KiB"},         // 1000 or 1024?
		{"64Ki", 0, "write 64KiB"},        // Kubernetes
		{"64mib", 0, "write 64MiB"},       // case matters
		{"1 MiB", 0, "write 1MiB"},        //
		{"1MiB/s", 0, "write 1MiB"},       // that would be a bandwidth
		{"1.5B", 0, "-"},                  // no half bytes
		{"-1B", 0, "-"},                   //
		{"5x", 0, "units are B, KiB, MiB, GiB (1024s) and kB, MB, GB (1000s)"},
		{"lots", 0, "-"},
	} {
		got, err := ParseBytes(c.text)
		checkError(t, c.text, err, c.hint)
		if got != c.want {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
	if got, err := ParseBandwidth("2MiB/s"); got != 2<<20 || err != nil {
		t.Errorf("ParseBandwidth: %v, %v", got, err)
	}
	_, err := ParseBandwidth("2MiB")
	checkError(t, "2MiB", err, "write 2MiB/s")
}

func TestParseRatio(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		hint string
	}{
		{"0.1%", 0.001, ""},
		{"0%", 0, ""},
		{"100%", 1, ""},
		{"250%", 2.5, ""},            // overshoot can be
		{"0.05", 0, "write 5%"},      // a fraction
		{"5", 0, "write 5%"},         // a percentage
		{"0", 0, "write 0%"},         //
		{"5 %", 0, "write 5%"},       //
		{"5 percent", 0, "write 5%"}, //
		{"-5%", 0, "-"},
		{"half", 0, "-"},
	} {
		got, err := ParseRatio(c.text)
		checkError(t, c.text, err, c.hint)
		if got != c.want {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		hint string
	}{
		{"500/s", 500, ""},
		{"30k/min", 500, ""},
		{"30k/m", 500, ""},
		{"1.8M/h", 500, ""},
		{"0/s", 0, ""},
		{".5/s", 0.5, ""},
		{"500", 0, "write 500/s"},       // a unit is never optional
		{"30k", 0, "write 30k/s"},       //
		{"500rps", 0, "write 500/s"},    // other tools
		{"500 rps", 0, "write 500/s"},   //
		{"300rpm", 0, "write 300/min"},  //
		{"500 req/s", 0, "write 500/s"}, //
		{"500/sec", 0, "write 500/s"},   //
		{"30K/min", 0, "write 30k/min"}, //
		{"500 / s", 0, "write 500/s"},   //
		{"500/d", 0, "rates are a second, a minute or an hour: 500/s, 500/min or 500/h"},
		{"-1/s", 0, "-"},
		{"fast", 0, "-"},
	} {
		got, err := ParseRate(c.text)
		checkError(t, c.text, err, c.hint)
		if got != c.want {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

// checkError checks that an error is there if a hint is wanted, and has it.
func checkError(t *testing.T, text string, err error, hint string) {
	t.Helper()
	var v *ValueError
	switch {
	case hint == "" && err != nil:
		t.Errorf("%q: %v", text, err)
	case hint != "" && !errors.As(err, &v):
		t.Errorf("%q: got error %v, want a ValueError", text, err)
	case hint != "" && hint != "-" && v.Hint != hint:
		t.Errorf("%q: got hint %q, want %q", text, v.Hint, hint)
	}
}

// What is formatted is parsed back to the same value.
func TestFormatsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3_000 {
		d := time.Duration(rng.Int64() >> rng.IntN(63))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%d ns: %q is %v, %v", d, FormatDuration(d), got, err)
		}
		n := rng.Int64() >> rng.IntN(63)
		if got, err := ParseBytes(FormatBytes(n)); err != nil || got != n {
			t.Fatalf("%d bytes: %q is %v, %v", n, FormatBytes(n), got, err)
		}
		f := rng.Float64() * math.Pow(10, float64(rng.IntN(12)-6))
		if rng.IntN(2) == 0 {
			f = float64(rng.IntN(100_000)) / 1000
		}
		if got, err := ParseRatio(FormatRatio(f)); err != nil || math.Abs(got-f) > f*1e-15 {
			t.Fatalf("%v: %q is %v, %v", f, FormatRatio(f), got, err)
		}
		if got, err := ParseRate(FormatRate(f)); err != nil || got != f {
			t.Fatalf("%v: %q is %v, %v", f, FormatRate(f), got, err)
		}
	}
}

func TestFormatsAreShort(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{FormatDuration(2 * time.Minute), "2m"},
		{FormatDuration(3 * time.Hour), "3h"},
		{FormatDuration(90 * time.Second), "1m30s"},
		{FormatDuration(10*time.Hour + 5*time.Second), "10h0m5s"},
		{FormatDuration(0), "0s"},
		{FormatBytes(0), "0B"},
		{FormatBytes(1536), "1536B"},
		{FormatBytes(3 << 20), "3MiB"},
		{FormatBytes(2_000_000), "2MB"},
		{FormatRatio(0.001), "0.1%"},
		{FormatRatio(0.07), "7%"}, // 0.07×100 is not 7
		{FormatRatio(0), "0%"},
		{FormatRatio(1.0 / 3), "33.33333333333333%"},
		{FormatRate(500), "500/s"},
		{FormatRate(0.5), "0.5/s"},
		{FormatRate(1.0 / 60), "1/min"},
		{FormatRate(1.0 / 3600), "1/h"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// The patterns in the schema and the parsers agree.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"300ms", "5 s", "1h2m", "64KiB", "1kB/s", "0.1%", "30k/min", "-1/s", ".", "1.5.5s", "µs", "1e3/s", "1.B", "5KB", "5tB", "+0B", "0\tB"} {
		f.Add(s)
	}
	patterns := map[string]*regexp.Regexp{}
	for _, p := range []string{durationPattern, bytesPattern, bandwidthPattern, ratioPattern, ratePattern} {
		patterns[p] = regexp.MustCompile(p)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 100 || regexp.MustCompile(`\$`).MatchString(s) {
			return
		}
		agree := func(pattern string, err error) {
			var v *ValueError
			if err != nil && !errors.As(err, &v) {
				t.Fatalf("%q: %T", s, err)
			}
			if err == nil && !patterns[pattern].MatchString(s) {
				t.Errorf("%q is accepted, but not by %s", s, pattern)
			}
		}
		_, err := ParseDuration(s)
		agree(durationPattern, err)
		_, err = ParseBytes(s)
		agree(bytesPattern, err)
		_, err = ParseBandwidth(s)
		agree(bandwidthPattern, err)
		_, err = ParseRatio(s)
		agree(ratioPattern, err)
		_, err = ParseRate(s)
		agree(ratePattern, err)
	})
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		word string
		from []string
		want string
	}{
		{"tiemout", []string{"base", "timeout"}, "timeout"},           // a swap is one edit
		{"Timeout", []string{"base", "timeout"}, "timeout"},           // case does not count
		{"max-in-flight", []string{"max_in_flight"}, "max_in_flight"}, // nor does the way words are joined
		{"maxInFlight", []string{"max_rate", "max_in_flight"}, "max_in_flight"},
		{"pahse", []string{"phases", "phase"}, "phase"}, // the nearest wins
		{"phases", []string{"phase"}, "phase"},          //
		{"rate", []string{"base"}, ""},                  // two edits in four letters are another word
		{"h1", []string{"h2"}, ""},                      // a short word has no near ones
		{"xml", []string{"html", "json"}, ""},           //
		{"", []string{"a"}, ""},
		{"größe", []string{"grösse"}, "grösse"},
	} {
		if got := Suggest(c.word, c.from); got != c.want {
			t.Errorf("%q among %v: got %q, want %q", c.word, c.from, got, c.want)
		}
	}
}
