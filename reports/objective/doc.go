// Package objective is the language of what must hold, and its judge.
//
// An objective is one line of text, whole in itself:
//
//	browse.p99 < 300ms in steady within 30s
//	browse.errors < 5% while kill_db
//	replicas 6..20
//
// that is
//
//	SUBJECT OP VALUE [CLAUSE…]
//
// # Subjects
//
//	LOAD[.STEP][.ok|.failed][.MEASURE].(pNN[.NN]|min|mean|max)   a duration
//	LOAD[.STEP].errors[.CLASS]                                   a ratio with %, a number of operations without
//	LOAD.rate                                                    operations ended, well or badly, per unit of time
//	LOAD.(offered|sent|completed|dropped)                        a number of arrivals
//	LOAD.status.NNN                                              a number of operations
//	PROBE                                                        every reading
//	PROBE.(min|mean|max|last)                                    in the probe's own unit
//	PROBE.failures                                               how many looks failed
//	PROBE.SERIES.(min|mean|max|last)                             of a series that the probe reads beside its number
//	PROBE.scaling.METRIC                                         how an autoscaler reacted
//
// METRIC is one of
//
//	first_decision, first_scale, first_ready, first_served       from the start of a step of the load until more replicas were
//	                                                             asked for, the first was there, ready, and answered a request
//	capacity                                                     and until as many were ready as the step needs
//	back_to.N                                                    from the next step down until no more than N were left
//	replicas, flaps, overshoot                                   the most there were; reversals that no step explains; too many
//	                                                             asked for, as a share of what the step needed
//	under, over                                                  share of the time in which there were too few, too many
//	accuracy_under, accuracy_over, instability                   as package scaling defines them
//	short, wasted, cost                                          replica-seconds missing and too many; money
//
// Of several steps the worst decides. A time that did not come before the step
// ended is at least that long, and fails; one whose doubt spans the limit is
// unknown, and so is all that needs a demand that nobody knows. The clause in
// PHASE means the steps that begin in it; no other clause goes with these.
//
// MEASURE is response (ended − due, the default), service (ended − started),
// wait (started − due), dns, connect, tls or first_byte. Without .ok or
// .failed a quantile is over all operations, and never lower than over the
// successful ones alone, so that fast failures do not flatter it.
//
// A name is letters, digits, _ and -. A name with anything else in it, or one
// that is also a word of the language, stands in double quotes: "a.b".p99.
//
// # Operators and values
//
// The operators are < <= > >= == !=, and a range LOW..HIGH with both ends in.
// A value is a duration (300ms, 1m30s), a ratio (0.1%), a rate (500/s,
// 30k/min), bytes (1KiB) or, for counts and for probes without a unit, a plain
// number. A unit is never optional.
//
// # Clauses
//
// In any order, each at most once:
//
//	in PHASE      the phase's span. Without it: the whole run but for excluded phases
//	within DUR    every sliding window of that length, in steps of a second, must hold
//	after DUR     leave out that much from the start of each stretch judged
//	while FAULT   only from the fault's confirmed injection to its confirmed end
//	while calm    from the end of the leading excluded phases on, minus every fault's
//	              time; each stretch between faults is judged by itself
//	for DUR       in abort conditions only: held through the trailing time
//
// # Judging
//
// Judging has three values. Fail needs one window that does not hold; pass
// needs all of them measured and holding; everything else is unknown, with the
// reason. A probe that saw nothing for more than 2 s and a twentieth of what is
// judged leaves it unknown, unless it fails.
//
// A window is made of whole seconds: an operation belongs to the second
// in which it fell due (rates and counts: in which the thing counted happened),
// a second to a window when it starts inside. A latency is what the histograms
// say: the highest value of its slot, at most 0.1% above the operation's.
//
// The operations of a window are all there were, not a sample of them, so a
// p99 of 50 operations is well defined: it is their maximum. It is judged as
// such, with a warning that says so, as is any percentile of fewer than
// 10/(1−q) operations, since one slow operation decides it.
package objective
