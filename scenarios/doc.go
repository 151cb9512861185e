// Package scenarios is the language: it reads a scenario file, finds every
// mistake in it at once, and compiles it to a plan that package engine plays.
//
//	scenario.yaml ─Parse→ Scenario ─Compile→ Plan ─engine.Run→ run directory
//
// # The file
//
// A scenario says what load to offer (loads), what to break (faults, in
// phases), what to watch (watch) and what must hold (expect, steady_state), on
// a target (target) and within limits (safety). brunt explain and the JSON
// Schema (see Schema) list every key; testdata/good/all.yaml has each once.
//
// # What a load offers
//
// In a phase's load section, each load is given one of
//
//	browse: 500/s                                   an open model: arrivals by the clock
//	browse: 0/s -> 500/s                            linear over the phase
//	browse: [500/s -> 4000/s in 30s, 4000/s]        stretches that fill the phase; the last takes what is left
//	browse: { rate: 500/s, arrivals: poisson }      or sine(amplitude=200/s, period=1m)
//	browse: { arrivals: { trace: FILE, speed: 2 } } one arrival a line: an offset or a timestamp
//	browse: { users: 0 -> 50 }                      a closed model; 0 -> 50 alone says the same
//
// A load has one model over the whole run, and is idle where it is not named.
//
// # When a fault comes
//
// at counts from the phase's start, or, with after, from when the faults that it
// names are over. every repeats it to the phase's end, or times times; an
// occurrence falls up to jitter later, and is one_of several kinds where those
// stand in the place of one: the seed decides both, the same on every machine.
// It lasts for its length, or until a condition holds, looked at once a second
// from when it was there on. follow hits what comes to be while it lasts.
//
// Each occurrence is a fault of its own, called NAME#2; what waits for NAME, or
// is judged while NAME, means all of them. Two that would hold one thing at one
// time are refused, here where their names say so, else before they would touch
// it.
//
// # Variables
//
// $name and ${name} stand for an entry of vars, ${stack.name} for what the
// stack that brunt starts says about itself, and, where vars has no such name,
// for the environment. $$ is a literal $. In what a kind sends, ${users.id},
// ${sku} and ${rand(1,40)} are left for the run: columns of data feeds, what
// an earlier step extracted, functions.
//
// What comes from the environment is a secret: it reaches the kinds and is
// kept out of the plan, of outlines, warnings and errors, where the variable's
// name stands in its place. Names and expectations, which are kept in the run
// directory, refuse it. Values shorter than four characters are not hidden.
//
// # Expectations
//
// Each becomes one canonical line of package objective, whole in itself: one
// that hangs off a phase says "in PHASE" and, unless it is about a fault's
// time (while), leaves out the phase's after; steady_state says "while calm".
// { http: /health, status: 200 } is a probe of its own, and that it is healthy
// at every look. What hangs off an excluded phase is never judged: a warning.
//
// # Problems
//
// Every mistake is a decode.Problem with its place, a caret and a hint;
// honest ones, with which a scenario can be played all the same, are warnings.
// A part of the language whose engine is not there yet answers not-built-yet.
package scenarios
