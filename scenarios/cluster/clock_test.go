package cluster

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever the way there and back takes, the estimate is right to within half
// of the shortest, and that is the error it claims.
func TestClockIsRightWithinItsError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		between := func(name string, low, high time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, name))
		}
		mono := between("monotonic", -time.Hour, time.Hour)
		wall := between("wall", -time.Hour, time.Hour)
		base := time.Unix(1_800_000_000, 0)
		var c clock
		shortest := time.Duration(1 << 62)
		at := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "pings") {
			there, took, back := between("there", 0, time.Second), between("took", 0, time.Second), between("back", 0, time.Second)
			came := at + there
			received := came + took + back
			c.take(pong{Sent: int64(at), Mono: int64(came + mono), Wall: base.Add(came + wall).UnixNano(), Took: int64(took)}, received, base.Add(received))
			shortest = min(shortest, there+back)
			at = received + time.Millisecond
		}
		got, ok := c.settle()
		if !ok || got.trip != shortest || got.within() != (shortest+1)/2 {
			t.Fatalf("%+v, shortest way %s", got, shortest)
		}
		if off := (got.mono - mono).Abs(); off > got.within() {
			t.Errorf("monotonic off by %s, claimed %s", off, got.within())
		}
		if off := (got.wall - wall).Abs(); off > got.within() {
			t.Errorf("wall off by %s, claimed %s", off, got.within())
		}
	})
}

// Once settled the start does not move, and drift is told against it.
func TestClockDrift(t *testing.T) {
	base := time.Unix(1_800_000_000, 0)
	var c clock
	if _, ok := c.settle(); ok {
		t.Error("settled on nothing")
	}
	c = clock{}
	say := func(wall, trip time.Duration) {
		c.take(pong{Mono: int64(trip / 2), Wall: base.Add(trip/2 + wall).UnixNano()}, trip, base.Add(trip))
	}
	say(time.Second, 2*time.Millisecond)
	if _, ok := c.drift(); ok {
		t.Error("a drift without a second look")
	}
	before, _ := c.settle()
	say(time.Second+3*time.Millisecond, time.Millisecond)
	after, _ := c.settle()
	if before != after {
		t.Error("the start moved")
	}
	if d, ok := c.drift(); !ok || d != 3*time.Millisecond {
		t.Errorf("drift %s, %v", d, ok)
	}
}
