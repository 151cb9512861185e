package shop

import (
	"math"
	"time"
)

// hpa is the horizontal pod autoscaler's algorithm, version 2, for one metric
// that is a share: desired = ceil(current × metric / target), with its rules
// for replicas that are not ready or have no metric, its tolerance, and its
// stabilisation window for scaling down. Scaling up is not held back.
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
type hpa struct {
	min, max  int
	target    float64
	tolerance float64
	window    time.Duration // of stabilisation, for scaling down

	recent []recommendation // of the last window
}

type recommendation struct {
	at       time.Time
	replicas int
}

// observed is what the autoscaler knows of the replicas at one time.
type observed struct {
	current int       // replicas asked for
	ready   []float64 // the metric of each ready replica that gave one
	unready int       // replicas that are starting
	missing int       // replicas that are ready but gave no metric
}

// utilization is the mean metric of the ready replicas; 0 without any.
func (o observed) utilization() float64 { return mean(o.ready) }

// decide gives the number of replicas to ask for, at a time that is not before
// that of the last call.
func (h *hpa) decide(now time.Time, o observed) int {
	want := min(max(h.proposal(o), h.min), h.max)
	h.recent = append(h.recent, recommendation{now, want})
	// The highest recommendation of the window holds.
	kept := h.recent[:0]
	highest := want
	for _, r := range h.recent {
		if now.Sub(r.at) <= h.window {
			kept = append(kept, r)
			highest = max(highest, r.replicas)
		}
	}
	h.recent = kept
	if want < o.current {
		// A higher recommendation is no reason to scale up.
		return min(highest, o.current)
	}
	return want
}

// proposal is the formula with its rules of caution: a replica that gave no
// metric is taken to be idle before scaling up and exactly on target before
// scaling down, one that is starting to be idle before scaling up; and where
// that turns the direction round, nothing is done.
func (h *hpa) proposal(o observed) int {
	if len(o.ready) == 0 {
		return o.current // nothing is known
	}
	ratio := o.utilization() / h.target
	starting := o.unready > 0 && ratio > 1
	if !starting && o.missing == 0 {
		if math.Abs(1-ratio) <= h.tolerance {
			return o.current
		}
		return ceil(ratio * float64(len(o.ready)))
	}
	sum, n := mean(o.ready)*float64(len(o.ready)), len(o.ready)+o.missing
	if ratio < 1 {
		sum += float64(o.missing) * h.target
	}
	if starting {
		n += o.unready
	}
	cautious := sum / float64(n) / h.target
	if math.Abs(1-cautious) <= h.tolerance || (ratio < 1) != (cautious < 1) {
		return o.current
	}
	replicas := ceil(cautious * float64(n))
	if (cautious < 1 && replicas > o.current) || (cautious > 1 && replicas < o.current) {
		return o.current
	}
	return replicas
}

// ceil rounds up, but not for what is only an error of arithmetic.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }

func mean(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
