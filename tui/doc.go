// Package tui is the game day: a run shown live in a terminal, with a chord
// that undoes every fault and a key that ends the run cleanly.
//
// A View is one more sink of the run's event stream. It knows nothing of the
// run but what the stream says, and acts on it through Controls alone. Three
// goroutines share the work, so that neither a slow terminal nor a long run
// can hold up the engine:
//
//	engine ──Append──► inbox ──► follower ──snapshot──► program ──► terminal
//	                   bounded    │    ▲                (keys act here)
//	                              └ judge ┘ at most once a second
//
// The follower turns batches into immutable snapshots, at most seven a second.
// A screen is a pure function of a snapshot, the window's size and the keys
// pressed, which is how the tests look at it.
//
// Every colour has a word beside it. Under NO_COLOR there is none, and where
// the locale is not UTF-8, no character outside ASCII is drawn.
package tui
