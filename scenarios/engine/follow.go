package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/reports/journal"
)

// followEvery is how often a fault looks for new targets.
const followEvery = time.Second

// follow hits targets that come to be until end, or until stop closes. Each
// look's new ones get a receipt of their own, under the same lease, before they
// are touched. Their effect is looked for in goroutines of working.
func (f *faultRun) follow(ctx, looking context.Context, end time.Time, stop <-chan struct{}, working *sync.WaitGroup) {
	follower, ok := f.plan.Fault.(chaos.Follower)
	if !ok {
		TimerWait(end, stop)
		return
	}
	said := map[string]bool{}
	for next := time.Now().Add(followEvery); next.Before(end) && TimerWait(next, stop); next = next.Add(followEvery) {
		hit := 0
		for _, h := range f.held {
			hit += len(h.Targets)
		}
		receipt, err := prepare(looking, f.plan, f.set.most, hit, func(ctx context.Context) (chaos.Receipt, error) {
			return follower.Follow(ctx, f.held)
		})
		if err != nil {
			if text := err.Error(); !errors.Is(err, chaos.ErrNoTarget) && looking.Err() == nil && !said[text] {
				said[text] = true
				f.note("new targets are left alone: " + text)
			}
			continue
		}
		fresh := len(f.held) == 0
		if err := f.inject(ctx, receipt); err != nil {
			if fresh {
				return // said, and what was touched is undone now
			}
			continue
		}
		receipt = f.held[len(f.held)-1]
		state := journal.FaultFollowed
		if fresh {
			f.say(journal.FaultInjected, "", receipt.Targets)
			state = journal.FaultEffective
		}
		working.Go(func() { f.prove(looking, receipt, state) })
	}
	TimerWait(end, stop)
}
