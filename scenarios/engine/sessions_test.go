package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// Which arrivals a session is opened for, and which wait. Nothing else happens:
// no session ever comes free.
func TestLateArrivalsWaitForASession(t *testing.T) {
	const onTime, behind = 0, 5 * time.Millisecond
	for _, test := range []struct {
		name    string
		max     int
		lags    []time.Duration
		opened  []int64 // the first arrival of each session, in order
		waiting int
	}{
		{"on time, each has its own", 10, []time.Duration{onTime, onTime, onTime}, []int64{0, 1, 2}, 0},
		{"there is none yet", 10, []time.Duration{behind}, []int64{0}, 0},
		{"brunt is behind", 10, []time.Duration{onTime, behind, behind}, []int64{0}, 2},
		// Two for each arrival, the oldest first.
		{"on time again", 10, []time.Duration{onTime, behind, behind, behind, onTime, onTime}, []int64{0, 1, 2, 3, 4}, 1},
		{"no more than there may be", 2, []time.Duration{onTime, behind, behind, onTime}, []int64{0, 1}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var opened []int64
			q := &arrivalQueue{max: test.max, patience: time.Hour,
				open: func(id int, first generators.Arrival) {
					if id != len(opened) {
						t.Errorf("session %d has id %d", len(opened), id)
					}
					opened = append(opened, first.Index)
				}}
			for i, lag := range test.lags {
				q.offer(generators.Arrival{Index: int64(i), Due: time.Now()}, lag)
			}
			if !slices.Equal(opened, test.opened) || q.waitingNow() != test.waiting {
				t.Errorf("sessions begin with %v, want %v; %d wait, want %d", opened, test.opened, q.waitingNow(), test.waiting)
			}
		})
	}
}

// An arrival that waited although a session could have been opened for it tells
// how far brunt is behind; one that waited for one of so many does not.
func TestWaitsOfThoseBehindAreLag(t *testing.T) {
	for _, most := range []int{2, 1} {
		var lags []time.Duration
		q := &arrivalQueue{max: most, patience: time.Minute,
			open:   func(int, generators.Arrival) {},
			drop:   func(generators.Arrival, time.Time) {},
			behind: func(lag time.Duration) { lags = append(lags, lag) }}
		for _, ago := range []time.Duration{0, time.Second, time.Hour} {
			q.offer(generators.Arrival{Due: time.Now().Add(-ago)}, max(ago, 0))
		}
		// The first has the only session; the last is out of patience by now.
		if _, ok := q.next(new(server)); !ok {
			t.Fatal("the second is not there any more")
		}
		q.expire(time.Now())
		switch {
		case most == 1 && len(lags) > 0:
			t.Errorf("of one session: %v", lags)
		case most == 2 && (len(lags) != 2 || lags[0] < time.Second || lags[1] < time.Hour):
			t.Errorf("of two sessions: %v", lags)
		}
	}
}
