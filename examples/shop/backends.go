package shop

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How the load balancer looks after its replicas' health.
const (
	checkEvery     = 500 * time.Millisecond
	checkEveryDown = 200 * time.Millisecond // while it is out, to have it back soon
	checkTimeout   = 400 * time.Millisecond
	checkFailures  = 2 // in a row, and it is out
)

// A backend is one replica as the load balancer sees it.
type backend struct {
	backendState
	healthy     atomic.Bool
	outstanding atomic.Int64
	stop        context.CancelFunc // ends its health checks
}

// backendState is how replicas are spoken of between the keeper and the lb. A
// replica that was replaced has another pid, and so another state.
type backendState struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	Pid         int    `json:"pid"`
	Healthy     bool   `json:"healthy"`
	Outstanding int64  `json:"outstanding"`
}

// backends is the set of replicas to choose from. All methods are safe for
// concurrent use.
type backends struct {
	client *http.Client
	checks sync.WaitGroup
	turn   atomic.Uint64

	mu  sync.Mutex                 // for writers
	all atomic.Pointer[[]*backend] // never changed in place
}

func newBackends() *backends {
	b := &backends{client: newClient(checkTimeout)}
	b.all.Store(new([]*backend))
	return b
}

// set makes known the replicas that there are now, starts checking the new
// ones until ctx ends, and says how each is. A new one counts as unhealthy
// until its first check.
func (b *backends) set(ctx context.Context, now []backendState) []backendState {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := *b.all.Load()
	next := make([]*backend, 0, len(now))
	for _, s := range now {
		i := slices.IndexFunc(old, func(k *backend) bool {
			return k.Name == s.Name && k.Pid == s.Pid && k.Address == s.Address
		})
		if i >= 0 {
			next = append(next, old[i])
			continue
		}
		checking, stop := context.WithCancel(ctx)
		k := &backend{backendState: s, stop: stop}
		next = append(next, k)
		b.checks.Go(func() { b.check(checking, k) })
	}
	for _, k := range old {
		if !slices.Contains(next, k) {
			k.healthy.Store(false)
			k.stop()
		}
	}
	b.all.Store(&next)
	states := make([]backendState, len(next))
	for i, k := range next {
		states[i] = k.backendState
		states[i].Healthy, states[i].Outstanding = k.healthy.Load(), k.outstanding.Load()
	}
	return states
}

// pick chooses the healthy replica with the fewest requests under way, in turn
// among equals; nil when there is none but those tried.
func (b *backends) pick(tried []*backend) *backend {
	all := *b.all.Load()
	var best *backend
	var least int64
	first := b.turn.Add(1)
	for i := range all {
		k := all[(first+uint64(i))%uint64(len(all))]
		if !k.healthy.Load() || slices.Contains(tried, k) {
			continue
		}
		if n := k.outstanding.Load(); best == nil || n < least {
			best, least = k, n
		}
	}
	return best
}

// eject takes a replica out until its next good check.
func (k *backend) eject(why error) {
	if k.healthy.CompareAndSwap(true, false) {
		slog.Warn("out", "replica", k.Name, "pid", k.Pid, "why", why)
	}
}

// check looks at one replica's health until ctx ends.
func (b *backends) check(ctx context.Context, k *backend) {
	failures := 0
	for {
		err := getJSON(ctx, b.client, "http://"+k.Address+"/health", nil)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
			if k.healthy.CompareAndSwap(false, true) {
				slog.Info("in", "replica", k.Name, "pid", k.Pid)
			}
		default:
			if failures++; failures >= checkFailures {
				k.eject(err)
			}
		}
		every := checkEvery
		if !k.healthy.Load() {
			every = checkEveryDown
		}
		if !sleep(ctx, every) {
			return
		}
	}
}
