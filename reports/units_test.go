package reports

import (
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

func TestUnits(t *testing.T) {
	const ms, us = time.Millisecond, time.Microsecond
	tests := []struct{ got, want string }{
		{duration(0), "0s"},
		{duration(7), "7ns"},
		{duration(999), "999ns"},
		{duration(1500), "1.5µs"},
		{duration(999_400), "999µs"},
		// Rounding carries into the next unit.
		{duration(999_600), "1ms"},
		{duration(412345 * us), "412ms"},
		{duration(999_700 * us), "1s"},
		{duration(1234 * ms), "1.23s"},
		{duration(59_940 * ms), "59.9s"},
		{duration(59_960 * ms), "1m"},
		{duration(65_200 * ms), "1m5.2s"},
		{duration(2 * time.Hour), "2h"},
		{duration(-1500 * us), "-1.5ms"},
		{moment(31*time.Second + 40*ms), "31s"},
		{moment(44*time.Second + 460*ms), "44.5s"},
		{moment(time.Hour + 5*time.Minute), "1h5m"},
		{count(0), "0"},
		{count(999), "999"},
		{count(12345), "12,345"},
		{count(-1234567), "-1,234,567"},
		{plural(1, "reading"), "1 reading"},
		{plural(1200, "reading"), "1,200 readings"},
		{percent(0), "0%"},
		{percent(0.00123), "0.123%"},
		{percent(1), "100%"},
		// Not quite all, and not quite nothing, do not read as such.
		{percent(0.999999), "99.9999%"},
		{percent(1e-9), "< 0.00001%"},
		{rate(199.96), "200/s"},
		{rate(0.5), "0.5/s"},
		{size(512), "512 B"},
		{size(84 << 20), "84 MiB"},
		{value(2.5e9, "ns"), "2.5s"},
		{value(0.25, "ratio"), "25%"},
		{value(1536, "bytes"), "1.5 KiB"},
		{value(12345, ""), "12,345"},
		{value(0.1234, ""), "0.123"},
		{list(nil), ""},
		{list([]string{"a", "b", "c"}), "a, b and c"},
		{sentence("what\n happened"), "what happened."},
		{sentence("really?"), "really?"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestTellReadings(t *testing.T) {
	at := func(readings ...float64) []journal.Event { // one a second
		var events []journal.Event
		for i, v := range readings {
			events = append(events, journal.Event{At: time.Duration(i) * time.Second, Kind: journal.ProbeReading, Value: &v})
		}
		return events
	}
	tests := []struct {
		name string
		in   []journal.Event
		want string
	}{
		{"nothing", nil, ""},
		{"once", at(2), "p read 2, once"},
		{"the same", at(2, 2, 2), "p stayed at 2"},
		{"one step", at(2, 2, 3, 3), "p went from 2 to 3 at 2s"},
		// A climb is one move, however many steps it has.
		{"a climb", at(2, 3, 3, 5, 6), "p went from 2 to 6 between 1s and 4s"},
		{"up and down", at(2, 5, 5, 3), "p went from 2 to 5 at 1s, then to 3 at 3s"},
		// What never rests is told by its range.
		{"restless", at(2, 5, 3, 4, 1, 7, 2), "p ranged from 1 to 7, highest at 5s"},
		// A failed look says nothing of the readings.
		{"a look that failed", append(at(2), journal.Event{Kind: journal.ProbeFailed}), "p read 2, once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tellReadings("p", "", tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
