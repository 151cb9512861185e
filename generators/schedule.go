package generators

import "time"

// A Piece is one stretch of a load's plan on the run's clock.
type Piece struct {
	Start, End time.Duration
	From, To   float64         // arrivals a second, or users, linear in between
	Process    Process         // how arrivals fall around that rate; open model only
	Sine       *Sine           // a wave on top of From..To
	Trace      []time.Duration // offsets from Start, non-decreasing; when set, From and To say nothing
}

// A Process is the stochastic process of arrivals around the planned rate.
type Process string

const (
	Constant Process = "constant" // evenly spaced: slot k falls due where the integral of the rate reaches k
	Poisson  Process = "poisson"  // exponential gaps, the rate followed exactly (time-rescaled)
)

// A Sine is a wave added to a piece's rate: Amplitude × sin(2π·t/Period), t from the piece's start.
type Sine struct {
	Amplitude float64
	Period    time.Duration
}
