package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseShape(t *testing.T) {
	rate := func(v float64) level { return level{value: v} }
	users := func(v float64) level { return level{value: v, users: true} }
	for _, row := range []struct {
		text string
		want shape
	}{
		{"500/s", shape{rate(500), rate(500), 0}},                                  // a rate for the rest of the phase
		{"30k/min", shape{rate(500), rate(500), 0}},                                // per minute, with k
		{"0.5/s", shape{rate(0.5), rate(0.5), 0}},                                  // one every two seconds
		{"0/s -> 500/s", shape{rate(0), rate(500), 0}},                             // a ramp
		{"0/s->500/s", shape{rate(0), rate(500), 0}},                               // without spaces
		{"500/s -> 4000/s in 30s", shape{rate(500), rate(4000), 30 * time.Second}}, // a ramp of its own length
		{"4000/s for 9m30s", shape{rate(4000), rate(4000), 570 * time.Second}},     // held
		{"  4000/s   for   1s  ", shape{rate(4000), rate(4000), time.Second}},      // spaces say nothing
		{"50", shape{users(50), users(50), 0}},                                     // users
		{"0 -> 50 in 1m", shape{users(0), users(50), time.Minute}},                 // users coming
		{"0/s", shape{rate(0), rate(0), 0}},                                        // a pause
		{"1_000", shape{users(1000), users(1000), 0}},                              // as Go writes numbers
	} {
		got, err := parseShape(row.text)
		if err != nil {
			t.Errorf("%q: %v", row.text, err)
			continue
		}
		if diff := cmp.Diff(row.want, got, cmp.AllowUnexported(shape{}, level{})); diff != "" {
			t.Errorf("%q: %s", row.text, diff)
		}
	}
}

func TestParseShapeErrors(t *testing.T) {
	for _, row := range []struct {
		text, at, hint string // at: the text that the caret stands under
	}{
		{"", "", "write 500/s"},                                       // nothing
		{"fast", "fast", "write a rate such as 500/s"},                // a word
		{"500rps", "500rps", "write 500/s"},                           // vegeta's and Artillery's
		{"600rpm", "600rpm", "write 600/min"},                         // per minute
		{"50vus", "50vus", "write 50 for a number of users"},          // k6's
		{"-5/s", "-5/s", ""},                                          // below 0
		{"-5", "-5", ""},                                              // below 0, users
		{"2.5", "2.5", "write 2.5/s for a rate"},                      // half a user
		{"NaN", "NaN", ""},                                            // a number that is none
		{"1e30/s", "1e30/s", ""},                                      // more than there is
		{"99999999999/s", "99999999999/s", ""},                        // the same, in digits
		{"2000000", "2000000", "write 2000000/s if a rate was meant"}, // more users than can be
		{"5/s -> ", " ", "write 500/s"},                               // an end missing
		{"5/s -> 50", "5/s -> 50", "write 0/s -> 500/s"},              // a rate and users
		{"1/s -> 2/s -> 3/s", "->", "write each stretch"},             // two ramps
		{"5/s for ever", "ever", ""},                                  // not a length
		{"5/s in 0s", "0s", ""},                                       // no length
		{"5/s for 30", "30", "write 30s"},                             // no unit
		{"5/s over 30s", "over", `write "5/s in 30s"`},                // another word
	} {
		_, err := parseShape(row.text)
		if err == nil {
			t.Errorf("%q was taken", row.text)
			continue
		}
		if end := err.offset + err.length; err.offset < 0 || end > len(row.text)+1 {
			t.Errorf("%q: the caret is outside the text: %d+%d", row.text, err.offset, err.length)
		} else if at := row.text[err.offset:min(len(row.text), end)]; at != row.at {
			t.Errorf("%q: the caret is under %q, want %q", row.text, at, row.at)
		}
		if !strings.HasPrefix(err.hint, row.hint) {
			t.Errorf("%q: hint %q, want %q", row.text, err.hint, row.hint)
		}
	}
}

func FuzzParseShape(f *testing.F) {
	for _, s := range []string{"500/s", "0/s -> 500/s in 30s", "50", "1/s -> 2/s -> 3/s", "5/s for", " in ", "->"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseShape(text)
		if err != nil {
			if err.offset < 0 || err.length < 1 || err.offset > len(text) || err.message == "" {
				t.Fatalf("%q: %+v", text, err)
			}
			return
		}
		// What is taken is written again as it is read.
		again := s.from.String() + " -> " + s.to.String()
		back, err := parseShape(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
		if back.from != s.from || back.to != s.to {
			t.Fatalf("%q became %q: %+v, not %+v", text, again, back, s)
		}
	})
}

func FuzzParseProcess(f *testing.F) {
	for _, s := range []string{"poisson", "sine(amplitude=200/s, period=1m)", "sine(", "sine()", "sine(=)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wave, process, err := parseProcess(text)
		switch {
		case err != nil && (err.offset < 0 || err.length < 1 || err.offset > len(text)):
			t.Fatalf("%q: %+v", text, err)
		case err == nil && process == "":
			t.Fatalf("%q: no process", text)
		case wave != nil && !(wave.Amplitude > 0 && wave.Period > 0):
			t.Fatalf("%q: %+v", text, wave)
		}
	})
}
