package engine

import (
	"testing"
	"time"
)

func TestPreciseWaiter(t *testing.T) {
	wait, closeTimer, err := newPreciseWaiter()
	if err != nil {
		t.Fatal(err)
	}
	never := make(chan struct{})
	// Again and again, as the timer is set anew each time: never too early, and
	// the moments that have passed at once.
	for k := range 200 {
		until := time.Now().Add(time.Duration(k-20) * 10 * time.Microsecond)
		if !wait(until, never) {
			t.Fatalf("wait %d: stopped by nobody", k)
		}
		if early := time.Until(until); early > 0 {
			t.Fatalf("wait %d: %s too early", k, early)
		}
	}
	// A stop ends a wait for what is far off, and one that would be none.
	stop := make(chan struct{})
	stopped := make(chan bool)
	go func() { stopped <- wait(time.Now().Add(time.Hour), stop) }()
	close(stop)
	select {
	case came := <-stopped:
		if came {
			t.Error("an hour has passed")
		}
	case <-time.After(time.Minute):
		t.Fatal("a stop does not end the wait")
	}
	if wait(time.Now().Add(-time.Second), stop) {
		t.Error("goes on after a stop")
	}
	if err := closeTimer(); err != nil {
		t.Error(err)
	}
}

// Without its timer a dispatcher still waits, by Go's.
func TestPreciseWaiterWithoutATimer(t *testing.T) {
	wait, closeTimer, err := newPreciseWaiter()
	if err != nil {
		t.Fatal(err)
	}
	if err := closeTimer(); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(2 * time.Millisecond)
	if !wait(until, make(chan struct{})) || time.Now().Before(until) {
		t.Error("it does not wait")
	}
}

// One wait of a dispatcher, nothing else going on: how late it is, and what it
// allocates.
func BenchmarkPreciseWaiter(b *testing.B) {
	wait, closeTimer, err := newPreciseWaiter()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = closeTimer() }()
	never := make(chan struct{})
	late := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		until := time.Now().Add(100 * time.Microsecond)
		wait(until, never)
		late += time.Since(until)
	}
	b.ReportMetric(float64(late.Nanoseconds())/float64(b.N), "ns-late/op")
}
