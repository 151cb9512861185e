package kubernetes

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

const ms = time.Millisecond

// Times by hand. A stamp of second 5 was written in [5 s, 6 s) of the server.
func TestStamp(t *testing.T) {
	type answer struct{ sent, received, date time.Duration }
	tests := []struct {
		name    string
		answers []answer
		stamp   time.Duration
		seen    time.Duration
		at      time.Duration
		within  time.Duration
	}{
		// Ahead by between 5 s − 5.4 s and 6 s − 5.3 s: by −0.4 s to 0.7 s. So
		// it was written between 4.3 s and 6.4 s here, and it was seen at 5.6 s.
		{"one answer", []answer{{5300 * ms, 5400 * ms, 5000 * ms}}, 5000 * ms, 5600 * ms, 4950 * ms, 650 * ms},
		// The second answer straddles the turn of a second: −0.02 s to 0.01 s.
		{"an answer at a second's turn", []answer{{5300 * ms, 5400 * ms, 5000 * ms}, {5990 * ms, 6020 * ms, 6000 * ms}, {6990 * ms, 6995 * ms, 6000 * ms}}, 5000 * ms, 9000 * ms, 5505 * ms, 515 * ms},
		// A server an hour ahead: by 3600 s − 0.4 s to 3600 s + 0.7 s.
		{"an hour ahead", []answer{{5300 * ms, 5400 * ms, time.Hour + 5000*ms}}, time.Hour + 5000*ms, 5600 * ms, 4950 * ms, 650 * ms},
		// Seen long after: all of the second, and the clock's doubt.
		{"told late", []answer{{5300 * ms, 5400 * ms, 5000 * ms}}, 5000 * ms, 60000 * ms, 5350 * ms, 1050 * ms},
		// No answer had a date: a second either way.
		{"no date", nil, 5000 * ms, 60000 * ms, 5500 * ms, 1500 * ms},
		// The clock was set back by ten seconds between two answers.
		{"set", []answer{{5300 * ms, 5400 * ms, 15000 * ms}, {6300 * ms, 6400 * ms, 6000 * ms}}, 5000 * ms, 5600 * ms, 4950 * ms, 650 * ms},
		// A kubelet whose clock is 3 s ahead of the server's.
		{"another clock", []answer{{5300 * ms, 5400 * ms, 5000 * ms}}, 9000 * ms, 6000 * ms, 6000 * ms, 2300 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &serverClock{}
			for _, a := range tt.answers {
				c.observe(after(a.sent), after(a.received), after(a.date))
			}
			at, within := c.stamp(after(tt.stamp), after(tt.seen))
			if got := at.Sub(noon); got != tt.at || within != tt.within {
				t.Errorf("%s ±%s, want %s ±%s", got, within, tt.at, tt.within)
			}
		})
	}
}
