package generators

import (
	"math"
	"time"
)

// Products are rounded by a conversion before they are added, so that no
// compiler fuses the two into one operation: the same plan gives the same
// nanoseconds on every machine. (Waves and Poisson arrivals go through package
// math, whose functions may differ in the last bit from one architecture to
// another: by 1 ns at the most, and seldom.)

// A curve is a rate over the time of one piece.
type curve interface {
	// mass is the integral over the whole piece, in arrivals.
	mass() float64
	// inverse is the time since the piece's start, in nanoseconds, at which
	// the integral reaches m, for m in [0, mass].
	inverse(m float64) float64
}

// newCurve is the curve of a valid piece that lasts and has no trace.
func newCurve(p Piece) curve {
	seconds := inSeconds(p.End - p.Start)
	line := ramp{from: p.From, to: p.To, seconds: seconds}
	switch {
	case p.Sine != nil && p.Sine.Amplitude > 0:
		return newWave(line, *p.Sine)
	case p.From == p.To:
		return flat{rate: p.From, seconds: seconds}
	default:
		return line
	}
}

// inSeconds is exact to the last bit of a float64, unlike Duration.Seconds,
// which adds two roundings.
func inSeconds(d time.Duration) float64 { return float64(d) / 1e9 }

// flat is a rate that stays.
type flat struct{ rate, seconds float64 }

func (f flat) mass() float64             { return f.rate * f.seconds }
func (f flat) inverse(m float64) float64 { return m * 1e9 / f.rate }

// ramp is a rate that changes linearly.
type ramp struct{ from, to, seconds float64 }

func (r ramp) mass() float64 { return (r.from + r.to) / 2 * r.seconds }

// inverse solves from·t + slope·t²/2 = m. The textbook root subtracts two
// near-equal numbers where the slope is small; this form of it only ever adds.
// A falling ramp is taken from its end, where it rises, for the same reason.
func (r ramp) inverse(m float64) float64 {
	if r.to >= r.from {
		return rise(r.from, (r.to-r.from)/r.seconds, m)
	}
	left := max(0, r.mass()-m)
	return float64(r.seconds*1e9) - rise(r.to, (r.from-r.to)/r.seconds, left)
}

// rise is the time in nanoseconds at which a rate that starts at from and
// grows by slope a second has brought m arrivals; from, slope and m are not
// negative.
func rise(from, slope, m float64) float64 {
	if m <= 0 {
		return 0
	}
	return 2 * m / (from + math.Sqrt(float64(from*from)+float64(2*slope*m))) * 1e9
}

// at is the rate so many seconds into the piece.
func (r ramp) at(t float64) float64 {
	if r.from == r.to {
		return r.from
	}
	return r.from + float64((r.to-r.from)*(t/r.seconds))
}
