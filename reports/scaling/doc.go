// Package scaling works out from a journal alone how an autoscaler reacted to
// load: for each step of the load the waterfall from the metric to the first
// request served by a new replica, and over any window what it cost to be too
// small or too large.
//
// # What is read
//
// A probe that watches replicas gives readings with series, and events of what
// happened to objects (journal.ObjectEvent). The series are
//
//	ready     replicas that can serve; a probe without series counts these
//	replicas  replicas that exist
//	desired   replicas asked for
//	pods      pods seen; where it is there, the probe tells of single pods
//	metric    what the autoscaler goes by, over its target: 1 is on target
//	max       the most replicas it may ask for
//
// Time without a good reading is not known, and nothing is assumed of it.
//
// # Load steps
//
// A step is a stretch in which the planned load moves one way: a jump, a ramp,
// or several with less than 10 s of rest between. Moves of less than 5% are
// none. Only what the plan says counts, so that a step is where it is on every
// machine; open models are added up, and closed ones (users) are taken only
// where there is no open one.
//
// # Demand
//
// How many replicas were wanted is needed for overshoot, capacity, and the
// measures of over- and under-provisioning. With a scenario's per_replica it is
// the planned rate over that, rounded up, and at least 1. Without, it is learned
// from the highest step at which the autoscaler settled: it asked for the same
// number through the last third of the step (10 s at least), had it, was not
// held down by its maximum, and was right as far as can be seen. That is told by
// its own metric, which must be at or below its target (within the 10% that
// Kubernetes tolerates); the load then needs that number times the metric over
// the target. Where the metric is not seen, it must have asked for more in that
// step, and at most 1% of the operations may have failed in its last third.
// Otherwise the demand is unknown, and all that hangs on it.
//
// # Measures
//
// With d(t) the replicas wanted, s(t) those ready, and T the time for which
// both are known:
//
//	accuracy_U   = 100/T · ∫ max(d−s, 0)/d dt     how much was missing, in % of the demand
//	accuracy_O   = 100/T · ∫ max(s−d, 0)/d dt     how much was too much, in % of the demand
//	timeshare_U  = 100/T · ∫ [d > s] dt           for how much of the time it was too small
//	timeshare_O  = 100/T · ∫ [s > d] dt           for how much of the time it was too large
//	instability  = 100/(T−1 s) · Σ [sgn Δs ≠ sgn Δd]   seconds in which supply and demand did not move alike
//
// They are the elasticity metrics of N. Herbst, R. Krebs, G. Oikonomou,
// G. Kousiouris, A. Evangelinou, A. Iosup and S. Kounev, "Ready for Rain? A
// View from SPEC Research on the Future of Cloud Metrics", SPEC-RG-2016-01,
// with accuracy in its form relative to the demand, and differences taken from
// second to second.
//
// A flap is a reversal of the direction in which replicas are asked for that
// no step of the load explains: each step explains the first move that goes
// its way.
//
// # Doubt
//
// A time that is known only to lie between two others is given as the middle
// and how far off that may be. A time that did not come before the step's end
// is right-censored: it is at least that long.
package scaling
