package tui

import (
	"errors"
	"sync"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Bounds of what waits for the follower. It takes everything several times a
// second, so that they are reached only when the machine is on its knees.
const (
	ordinaryLimit = 1 << 15 // intervals, and events of which there is one every second
	notableLimit  = 1 << 12 // all other events
)

// An inbox is the one place where the engine and the view meet. Putting
// something in takes a short lock and never waits: batches that were not
// taken yet become one, and past its bounds the inbox counts what it turns
// away.
type inbox struct {
	ready chan struct{} // holds a token when there is something to take

	mu       sync.Mutex
	batch    journal.Batch
	notable  int
	missed   int64
	closed   bool
	deserted bool
}

var errDeserted = errors.New("the display has ended")

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

// put adds a batch. It fails when nobody will ever take it.
func (i *inbox) put(b journal.Batch) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.deserted {
		return errDeserted
	}
	for _, e := range b.Events {
		if ordinary(e.Kind) && i.ordinary() >= ordinaryLimit || !ordinary(e.Kind) && i.notable >= notableLimit && e.Kind != journal.RunEnded {
			i.missed++
			continue
		}
		if !ordinary(e.Kind) {
			i.notable++
		}
		i.batch.Events = append(i.batch.Events, e)
	}
	for _, iv := range b.Intervals {
		if i.ordinary() >= ordinaryLimit {
			i.missed++
			continue
		}
		i.batch.Intervals = append(i.batch.Intervals, iv)
	}
	i.wake()
	return nil
}

func (i *inbox) ordinary() int { return len(i.batch.Intervals) + len(i.batch.Events) - i.notable }

// ordinary reports whether events of a kind come every second.
func ordinary(k journal.Kind) bool {
	switch k {
	case journal.LoadSecond, journal.HealthSecond, journal.ProbeReading, journal.ProbeFailed, journal.ObjectEvent, journal.LoadError:
		return true
	}
	return false
}

// take empties the inbox. missed is how many things it has turned away in all.
func (i *inbox) take() (b journal.Batch, missed int64, closed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b, i.batch, i.notable = i.batch, journal.Batch{}, 0
	return b, i.missed, i.closed
}

// close says that nothing more will come.
func (i *inbox) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.wake()
}

// desert says that nobody takes anything any more.
func (i *inbox) desert() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deserted, i.batch = true, journal.Batch{}
}

func (i *inbox) wake() {
	select {
	case i.ready <- struct{}{}:
	default:
	}
}
