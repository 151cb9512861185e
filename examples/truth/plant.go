package truth

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// An outcome is what becomes of a request.
type outcome uint8

const (
	answered outcome = iota
	failed           // answered 503
	reset            // the connection is reset in place of an answer
	hung             // never answered
)

// A plant decides what becomes of a request that arrived at a time on the
// server's clock, and when. It is asked in the order of arrival.
type plant func(arrival time.Duration) (departure time.Duration, o outcome)

// longest bounds what may be planted: histograms end there.
const longest = 10 * time.Minute

var errUnknown = errors.New("no such plant: it is one of /none /fixed/DELAY /md1/SERVICE /mm1/MEAN /bimodal/FAST/SLOW/SHARE /stall/LENGTH/EVERY /errors/SHARE /resets/SHARE /hangs/SHARE")

// newPlant makes what a path says.
func newPlant(path string) (plant, error) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	a := arguments{left: rest}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(path)) // never fails
	rng := rand.New(rand.NewPCG(hash.Sum64(), 0x7247_74))
	var p plant
	switch kind {
	case "none":
		p = fixed(0)
	case "fixed":
		p = fixed(a.duration())
	case "md1":
		service := a.duration()
		p = queue(func() time.Duration { return service })
	case "mm1":
		mean := float64(a.duration())
		p = queue(func() time.Duration { return time.Duration(rng.ExpFloat64() * mean) })
	case "bimodal":
		p = bimodal(a.duration(), a.duration(), a.share(), rng)
	case "stall":
		length, every := a.duration(), a.duration()
		if a.err == nil && length >= every {
			return nil, fmt.Errorf("plant %s: the stall is not shorter than the time it is part of", path)
		}
		p = stall(length, every)
	case "errors":
		p = spoil(a.share(), failed, rng)
	case "resets":
		p = spoil(a.share(), reset, rng)
	case "hangs":
		p = spoil(a.share(), hung, rng)
	default:
		return nil, errUnknown
	}
	if err := a.end(); err != nil {
		return nil, fmt.Errorf("plant %s: %w", path, err)
	}
	return p, nil
}

func fixed(delay time.Duration) plant {
	return func(arrival time.Duration) (time.Duration, outcome) { return arrival + delay, answered }
}

// queue is a single server that works off requests in the order they arrived.
// Lindley's recursion: a departure is the later of the arrival and the
// departure before it, plus the service time.
func queue(service func() time.Duration) plant {
	free := time.Duration(0) // when the server has done all it has
	return func(arrival time.Duration) (time.Duration, outcome) {
		free = max(free, arrival) + service()
		return free, answered
	}
}

func bimodal(fast, slow time.Duration, share float64, rng *rand.Rand) plant {
	return func(arrival time.Duration) (time.Duration, outcome) {
		if rng.Float64() < share {
			return arrival + slow, answered
		}
		return arrival + fast, answered
	}
}

func stall(length, every time.Duration) plant {
	first := time.Duration(-1)
	return func(arrival time.Duration) (time.Duration, outcome) {
		if first < 0 {
			first = arrival
		}
		left := every - (arrival-first)%every // of this turn
		if left <= length {
			return arrival + left, answered
		}
		return arrival, answered
	}
}

func spoil(share float64, with outcome, rng *rand.Rand) plant {
	return func(arrival time.Duration) (time.Duration, outcome) {
		if rng.Float64() < share {
			return arrival, with
		}
		return arrival, answered
	}
}

// arguments reads the elements of a path one by one; the first error stays.
type arguments struct {
	left string
	err  error
}

func (a *arguments) next() string {
	text, rest, _ := strings.Cut(a.left, "/")
	a.left = rest
	return text
}

func (a *arguments) duration() time.Duration {
	text := a.next()
	d, err := time.ParseDuration(text)
	if a.err == nil && (err != nil || d < 0 || d > longest) {
		a.err = fmt.Errorf("%q is not a duration from 0 to %s", text, longest)
	}
	return d
}

func (a *arguments) share() float64 {
	text := a.next()
	f, err := strconv.ParseFloat(text, 64)
	if a.err == nil && (err != nil || !(f >= 0 && f <= 1)) {
		a.err = fmt.Errorf("%q is not a share from 0 to 1", text)
	}
	return f
}

func (a *arguments) end() error {
	if a.err == nil && a.left != "" {
		return fmt.Errorf("%q is more than it takes", a.left)
	}
	return a.err
}
