package truth

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// plantAt makes a plant that must be one.
func plantAt(t *testing.T, path string) plant {
	t.Helper()
	p, err := newPlant(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Queues fed by a Poisson process, against their closed forms.
func TestQueuesAgainstTheory(t *testing.T) {
	const (
		service  = time.Millisecond
		requests = 400_000
	)
	for _, load := range []float64{0.3, 0.5, 0.8} {
		s := service.Seconds()
		sojourn := s / (1 - load) // M/M/1: exponential with this mean
		for _, test := range []struct {
			path string
			want map[string]float64 // seconds
		}{
			// Pollaczek and Khinchine, deterministic service.
			{"/md1/1ms", map[string]float64{"mean": s + load*s/(2*(1-load))}},
			{"/mm1/1ms", map[string]float64{"mean": sojourn, "p50": sojourn * math.Ln2, "p90": sojourn * math.Log(10), "p99": sojourn * math.Log(100)}},
		} {
			p := plantAt(t, test.path)
			rng := rand.New(rand.NewPCG(1, 2))
			arrival, sum := 0.0, 0.0
			sojourns := make([]float64, 0, requests)
			for range requests {
				arrival += rng.ExpFloat64() * s / load
				at := time.Duration(arrival * float64(time.Second))
				departure, o := p(at)
				if o != answered || departure < at {
					t.Fatalf("%s: outcome %d, departure %s for arrival %s", test.path, o, departure, at)
				}
				sojourns = append(sojourns, (departure - at).Seconds())
				sum += (departure - at).Seconds()
			}
			slices.Sort(sojourns)
			got := map[string]float64{"mean": sum / requests, "p50": sojourns[requests/2], "p90": sojourns[requests*9/10], "p99": sojourns[requests*99/100]}
			for what, want := range test.want {
				// At 0.8 neighbours in the queue resemble each other for
				// thousands of requests, so 400,000 say less than they seem to.
				if math.Abs(got[what]-want) > 0.05*want {
					t.Errorf("%s at %g: %s %.4g s, want %.4g s", test.path, load, what, got[what], want)
				}
			}
		}
	}
}

// A queue is work-conserving and first come, first served: by hand.
func TestQueueByHand(t *testing.T) {
	p := plantAt(t, "/md1/10ms")
	for i, step := range []struct{ arrival, departure time.Duration }{
		{0, 10},   // an idle server
		{4, 20},   // waits for the one before
		{5, 30},   // waits for both
		{30, 40},  // comes the moment the server is free
		{90, 100}, // idle again: nothing is left of the queue
	} {
		if got, _ := p(step.arrival * time.Millisecond); got != step.departure*time.Millisecond {
			t.Errorf("request %d departs at %s, want %dms", i, got, step.departure)
		}
	}
}

func TestStallByHand(t *testing.T) {
	p := plantAt(t, "/stall/2s/10s")
	const first = 3 * time.Second // turns count from the first request
	for i, step := range []struct{ arrival, delay time.Duration }{
		{0, 0},                         // the first
		{7999 * time.Millisecond, 0},   // just before the stall
		{8 * time.Second, 2000e6},      // the stall's first
		{9500 * time.Millisecond, 5e8}, // within
		{10 * time.Second, 0},          // the next turn
		{18 * time.Second, 2 * time.Second},
	} {
		got, _ := p(first + step.arrival)
		if got != first+step.arrival+step.delay {
			t.Errorf("request %d is answered after %s, want %s", i, got-first-step.arrival, step.delay)
		}
	}
}

func TestShares(t *testing.T) {
	const n = 100_000
	for _, test := range []struct {
		path string
		is   func(d time.Duration, o outcome) bool
		want float64
	}{
		{"/bimodal/1ms/50ms/0.1", func(d time.Duration, _ outcome) bool { return d == 50*time.Millisecond }, 0.1},
		{"/bimodal/1ms/50ms/0.1", func(d time.Duration, _ outcome) bool { return d == time.Millisecond }, 0.9},
		{"/errors/0.25", func(_ time.Duration, o outcome) bool { return o == failed }, 0.25},
		{"/resets/0.01", func(_ time.Duration, o outcome) bool { return o == reset }, 0.01},
		{"/hangs/1", func(_ time.Duration, o outcome) bool { return o == hung }, 1},
		{"/hangs/0", func(_ time.Duration, o outcome) bool { return o == hung }, 0},
		{"/fixed/200us", func(d time.Duration, _ outcome) bool { return d == 200*time.Microsecond }, 1},
		{"/none", func(d time.Duration, _ outcome) bool { return d == 0 }, 1},
	} {
		p, hits := plantAt(t, test.path), 0
		for k := range n {
			arrival := time.Duration(k) * time.Millisecond
			departure, o := p(arrival)
			if test.is(departure-arrival, o) {
				hits++
			}
		}
		// Four standard deviations.
		if got, slack := float64(hits)/n, 4*math.Sqrt(test.want*(1-test.want)/n); math.Abs(got-test.want) > slack {
			t.Errorf("%s: %g of the requests, want %g", test.path, got, test.want)
		}
	}
}

// The same path plants the same in every process.
func TestPlantsRepeat(t *testing.T) {
	a, b := plantAt(t, "/mm1/1ms"), plantAt(t, "/mm1/1ms")
	for k := range 1000 {
		arrival := time.Duration(k) * time.Millisecond
		x, _ := a(arrival)
		if y, _ := b(arrival); x != y {
			t.Fatalf("request %d: %s and %s", k, x, y)
		}
	}
}

func TestPathsThatPlantNothing(t *testing.T) {
	for path, want := range map[string]string{
		"/":                    "no such plant",
		"/fixe/1ms":            "no such plant",
		"/fixed":               `"" is not a duration`,
		"/fixed/1":             `"1" is not a duration`,
		"/fixed/-1ms":          "is not a duration",
		"/fixed/11m":           "is not a duration",
		"/fixed/1ms/2":         "more than it takes",
		"/none/1":              "more than it takes",
		"/bimodal/1ms/2ms":     `"" is not a share`,
		"/bimodal/1ms/2ms/NaN": "is not a share",
		"/errors/5":            "is not a share",
		"/errors/-0.1":         "is not a share",
		"/stall/2s/2s":         "not shorter",
	} {
		if _, err := newPlant(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

func FuzzPlant(f *testing.F) {
	for _, path := range []string{"/none", "/fixed/1ms", "/md1/1ms", "/mm1/1ms", "/bimodal/1ms/2ms/0.5", "/stall/1s/2s", "/errors/1", "/hangs/", "/stall/0/0"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, err := newPlant(path)
		if err != nil {
			return
		}
		for _, arrival := range []time.Duration{0, 1, time.Second, time.Hour} {
			if departure, _ := p(arrival); departure < arrival {
				t.Errorf("%q answers before it was asked", path)
			}
		}
	})
}

func TestDeparturesComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var h dueHeap
	var held []time.Duration
	for range 10_000 {
		if len(held) == 0 || rng.IntN(3) > 0 {
			at := time.Duration(rng.IntN(500))
			h.push(departure{at: at})
			held = append(held, at)
			continue
		}
		i := slices.Index(held, slices.Min(held))
		if got := h.pop().at; got != held[i] {
			t.Fatalf("got %d, want %d", got, held[i])
		}
		held = slices.Delete(held, i, i+1)
	}
}
