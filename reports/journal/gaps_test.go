package journal

import (
	"reflect"
	"testing"
	"time"
)

func TestGaps(t *testing.T) {
	one := 1.0
	at := func(s int, text string) Event {
		e := Event{At: time.Duration(s) * time.Second, Kind: ProbeReading, Value: &one}
		if text != "" {
			e.Kind, e.Value, e.Text = ProbeFailed, nil, text
		}
		return e
	}
	s := time.Second
	for name, row := range map[string]struct {
		readings []Event
		want     []Gap
	}{
		"none":                          {[]Event{at(1, ""), at(2, "")}, nil},
		"a single failed look":          {[]Event{at(1, ""), at(2, "x"), at(3, "")}, nil},
		"in the middle":                 {[]Event{at(1, ""), at(2, "x"), at(3, "y"), at(5, "")}, []Gap{{2 * s, 5 * s, false, 2, "y"}}},
		"at the start, and at the end":  {[]Event{at(0, "x"), at(1, "x"), at(2, ""), at(3, "y"), at(4, "y")}, []Gap{{0, 2 * s, false, 2, "x"}, {3 * s, 4 * s, true, 2, "y"}}},
		"no reading but of one's words": {[]Event{at(0, "x"), at(1, "y")}, []Gap{{0, 1 * s, true, 2, "y"}}},
	} {
		if got := Gaps(row.readings); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
	}
}
