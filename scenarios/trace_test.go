package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadTrace(t *testing.T) {
	ms := func(n ...int) []time.Duration {
		out := make([]time.Duration, len(n))
		for i, m := range n {
			out[i] = time.Duration(m) * time.Millisecond
		}
		return out
	}
	for _, row := range []struct {
		text  string
		speed float64
		want  []time.Duration
		err   string
	}{
		{"0\n1.5\n2\n", 1, ms(0, 1500, 2000), ""},                                      // plain seconds
		{"10ms\n1.5s\n", 1, ms(10, 1500), ""},                                          // durations
		{"10ms\n1.5\n", 1, ms(10, 1500), ""},                                           // both
		{"2\n1\n", 1, ms(1000, 2000), ""},                                              // out of order
		{"# a comment\n\n 1 \n", 1, ms(1000), ""},                                      // comments, empty lines, spaces
		{"1\r\n2\r\n", 1, ms(1000, 2000), ""},                                          // lines as Windows ends them
		{"1\n2\n", 2, ms(500, 1000), ""},                                               // twice as fast
		{"1\n2\n", 0.5, ms(2000, 4000), ""},                                            // half as fast
		{"2026-11-27T08:00:01Z\n2026-11-27T08:00:00.25Z\n", 1, ms(0, 750), ""},         // timestamps count from the earliest
		{"2026-11-27T09:00:01+01:00\n2026-11-27T08:00:02Z\n", 1, ms(0, 1000), ""},      // in two zones
		{"1795766400\n1795766400.25\n", 1, ms(0, 250), ""},                             // Unix time
		{"1\n1795766400\n", 1, nil, "line 2: offsets and timestamps in one trace"},     // mixed
		{"1\nsoon\n", 1, nil, `line 2: "soon" is neither an offset`},                   // a word
		{"-1\n", 1, nil, "line 1: -1 seconds are out of range"},                        // before the start
		{"-1s\n", 1, nil, "line 1: -1s is before the start"},                           // the same
		{"NaN\n", 1, nil, "line 1: NaN seconds are out of range"},                      // a number that is none
		{"", 1, nil, "holds no arrivals"},                                              // empty
		{"# nothing\n", 1, nil, "holds no arrivals"},                                   // empty but for a comment
		{strings.Repeat("x", 70_000), 1, nil, "line 1: bufio.Scanner: token too long"}, // not a text of lines
	} {
		got, err := readTrace(strings.NewReader(row.text), row.speed)
		if row.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), row.err) {
				t.Errorf("%.40q: error %v, want %s", row.text, err, row.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%.40q: %v", row.text, err)
		} else if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%.40q: %s", row.text, diff)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("0\n1.5\n", 1.0)
	f.Add("2026-11-27T08:00:01Z\n2026-11-27T08:00:00.25Z\n", 2.0)
	f.Add("1795766400\n", 1e-6)
	f.Fuzz(func(t *testing.T, text string, speed float64) {
		if !(speed >= 1e-6 && speed <= 1e6) {
			return
		}
		got, err := readTrace(strings.NewReader(text), speed)
		if err != nil {
			return
		}
		last := time.Duration(0)
		for _, d := range got {
			if d < last {
				t.Fatalf("%q at %v: %v after %v", text, speed, d, last)
			}
			last = d
		}
	})
}
