package engine

import (
	"sync"

	"github.com/brunt-dev/brunt/reports/journal"
)

// samplesEach is how many different messages of one class are kept for each
// step: enough to see what went wrong, bounded whatever the target does.
const samplesEach = 5

// messageLimit bounds one message in bytes.
const messageLimit = 300

// errorSamples collects a bounded number of error messages for the journal.
// Its methods are safe for concurrent use.
type errorSamples struct {
	mu      sync.Mutex
	seen    map[sampleKey]map[string]bool
	pending []journal.Event
}

type sampleKey struct{ load, step, class string }

func (e *errorSamples) add(load, step, class string, err error) {
	if err == nil {
		return
	}
	key := sampleKey{load, step, class}
	e.mu.Lock()
	defer e.mu.Unlock()
	texts := e.seen[key]
	if len(texts) >= samplesEach {
		return
	}
	text := err.Error()
	if len(text) > messageLimit {
		text = text[:messageLimit] + "…"
	}
	if texts[text] {
		return
	}
	if texts == nil {
		if e.seen == nil {
			e.seen = make(map[sampleKey]map[string]bool)
		}
		texts = make(map[string]bool)
		e.seen[key] = texts
	}
	texts[text] = true
	e.pending = append(e.pending, journal.Event{Kind: journal.LoadError, Name: load, Step: step, State: class, Text: text})
}

// take returns what was collected since the last call.
func (e *errorSamples) take() []journal.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.pending
	e.pending = nil
	return taken
}
