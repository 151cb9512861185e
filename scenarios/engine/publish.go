package engine

import (
	"sync"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A publisher hands each batch to the journal on disk, to the live journal
// that abort conditions are judged on, and to every face, in one order.
type publisher struct {
	origin time.Time
	disk   journal.Sink
	live   *journal.Journal
	faces  []journal.Sink
	redact func(string) string
	failed func(error) // called once, when the journal on disk cannot be written; must not publish

	mu     sync.Mutex
	broken bool
}

// event publishes one event, stamped now. It is safe for concurrent use.
func (p *publisher) event(e journal.Event) { p.batch(journal.Batch{Events: []journal.Event{e}}) }

// batch stamps the events that have no time yet and publishes all.
func (p *publisher) batch(b journal.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := max(time.Since(p.origin), 0)
	for i := range b.Events {
		if b.Events[i].At == 0 {
			b.Events[i].At = now
		}
		b.Events[i].Text = p.redact(b.Events[i].Text)
		if o := b.Events[i].Object; o != nil {
			o.Text = p.redact(o.Text)
		}
	}
	if err := p.disk.Append(b); err != nil && !p.broken {
		p.broken = true
		p.failed(err)
	}
	if err := p.live.Append(b); err != nil {
		return // a journal in memory refuses nothing
	}
	for _, face := range p.faces {
		if err := face.Append(b); err != nil {
			continue // a face that went away does not stop the run
		}
	}
}
