package shop

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// tolerance is how far the metric may be from the target without a change:
// the HPA's own default.
const tolerance = 0.1

// status is what the autoscaler says at GET /status.
type status struct {
	Replicas    int        `json:"replicas"`    // processes that run, the starting ones included
	Ready       int        `json:"ready"`       // replicas that get requests
	Desired     int        `json:"desired"`     // replicas asked for
	Utilization float64    `json:"utilization"` // mean busy share of the ready replicas at the last look, 0 to 1
	Target      float64    `json:"target"`
	Min         int        `json:"min"`
	Max         int        `json:"max"`
	Decisions   []decision `json:"decisions"` // the last 50 changes, oldest first
}

// A decision is one change of the number of replicas.
type decision struct {
	At          time.Time `json:"at"`
	From        int       `json:"from"`
	To          int       `json:"to"`
	Utilization float64   `json:"utilization"`
	Why         string    `json:"why"`
}

const keptDecisions = 50

// An autoscaler asks the keeper for as many replicas as the HPA's algorithm
// wants.
type autoscaler struct {
	keeper string // its base URL
	client *http.Client
	sync   time.Duration
	hpa    hpa // of the loop alone

	mu          sync.Mutex
	utilization float64
	decisions   []decision
}

func runAutoscaler(ctx context.Context, l layout, _ string) error {
	a := &autoscaler{
		keeper: "http://" + l.Keeper,
		client: newClient(500 * time.Millisecond),
		sync:   l.Sync,
		hpa: hpa{
			min: l.Min, max: len(l.Replicas),
			target: l.Target, tolerance: tolerance, window: l.ScaleDownWindow,
		},
		decisions: []decision{},
	}
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() { a.run(ctx) })
	defer loop.Wait()
	defer cancel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", a.status)
	slog.Info("ready", "address", l.Autoscaler)
	return serve(ctx, l.Autoscaler, mux)
}

func (a *autoscaler) run(ctx context.Context) {
	tick := time.NewTicker(a.sync)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.decide(ctx); err != nil && ctx.Err() == nil {
				slog.Warn("no decision", "error", err)
			}
		}
	}
}

// decide is one pass of the control loop.
func (a *autoscaler) decide(ctx context.Context) error {
	var k keeperState
	if err := getJSON(ctx, a.client, a.keeper+"/state", &k); err != nil {
		return err
	}
	o := a.observe(ctx, k)
	want := a.hpa.decide(time.Now(), o)

	a.mu.Lock()
	a.utilization = o.utilization()
	a.mu.Unlock()
	if want == k.Desired {
		return nil
	}
	if err := callJSON(ctx, a.client, http.MethodPut, a.keeper+"/scale", scaleRequest{want}, nil); err != nil {
		return err
	}
	d := decision{
		At: time.Now(), From: k.Desired, To: want, Utilization: o.utilization(),
		Why: fmt.Sprintf("%d ready replicas are %.0f%% busy, the target is %.0f%%",
			len(o.ready), 100*o.utilization(), 100*a.hpa.target),
	}
	slog.Info("scale", "from", d.From, "to", d.To, "why", d.Why)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decisions = append(a.decisions, d)
	a.decisions = a.decisions[max(0, len(a.decisions)-keptDecisions):]
	return nil
}

// observe asks every ready replica how busy it is.
func (a *autoscaler) observe(ctx context.Context, k keeperState) observed {
	o := observed{current: k.Desired}
	shares := make([]float64, len(k.Replicas))
	var looks sync.WaitGroup
	for i, r := range k.Replicas {
		if !r.Ready {
			o.unready++
			shares[i] = -1
			continue
		}
		looks.Go(func() {
			var m metrics
			if err := getJSON(ctx, a.client, "http://"+r.Address+"/metrics.json", &m); err != nil {
				shares[i] = -2
				return
			}
			shares[i] = m.Busy
		})
	}
	looks.Wait()
	for _, share := range shares {
		switch {
		case share >= 0:
			o.ready = append(o.ready, share)
		case share == -2:
			o.missing++
		}
	}
	return o
}

// status answers with the keeper's numbers of now and the loop's of its last
// pass.
func (a *autoscaler) status(w http.ResponseWriter, req *http.Request) {
	var k keeperState
	if err := getJSON(req.Context(), a.client, a.keeper+"/state", &k); err != nil {
		answerJSON(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	a.mu.Lock()
	s := status{
		Desired: k.Desired, Utilization: a.utilization,
		Target: a.hpa.target, Min: a.hpa.min, Max: a.hpa.max,
		Decisions: slices.Clone(a.decisions),
	}
	a.mu.Unlock()
	for _, r := range k.Replicas {
		s.Replicas++
		if r.Ready {
			s.Ready++
		}
	}
	answerJSON(w, http.StatusOK, s)
}
