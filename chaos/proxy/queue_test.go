package proxy

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A recorder is a sink that notes when what arrived.
type recorder struct {
	start  time.Time
	pieces []string
	times  []time.Duration
}

func (r *recorder) Write(p []byte) (int, error) {
	r.pieces, r.times = append(r.pieces, string(p)), append(r.times, time.Since(r.start))
	return len(p), nil
}

func (r *recorder) CloseWrite() error {
	r.pieces, r.times = append(r.pieces, "end"), append(r.times, time.Since(r.start))
	return nil
}

// through puts one letter after the other, gap apart, and then the end,
// through the toxics, and returns when each came out.
func through(t *testing.T, toxics []Toxic, letters string, gap time.Duration) (string, []time.Duration, []*active) {
	t.Helper()
	var set []*active
	for _, toxic := range toxics {
		if err := toxic.check(); err != nil {
			t.Fatal(err)
		}
		set = append(set, &active{Toxic: toxic, shape: toxicTypes[toxic.rank()].shape(toxic)})
	}
	out := recorder{start: time.Now()}
	s := newStream(&link{proxy: &server{}}, upstream, nil, nil)
	q := newQueue(&s.link.proxy.budget, nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.drain(&out); err != nil {
			t.Error(err)
		}
	})
	_, limit := s.limits(set)
	for _, letter := range letters {
		if !s.put(q, []byte(string(letter)), time.Now(), set, limit, 0) {
			t.Error("put: the queue is closed")
		}
		time.Sleep(gap)
	}
	s.put(q, nil, time.Now(), set, limit, 0)
	q.close()
	wg.Wait()
	if used := s.link.proxy.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes of the budget are left in use", used)
	}
	var all string
	for _, p := range out.pieces {
		all += p
	}
	return all, out.times, set
}

func TestShape(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name   string
		toxics []Toxic
		gap    time.Duration
		want   []time.Duration // of a, b, c and the end
	}{
		{
			name:   "latency delays each piece by as much, and keeps the gaps",
			toxics: []Toxic{{Type: latencyType, Delay: 50 * ms}},
			gap:    3 * ms,
			want:   []time.Duration{50 * ms, 53 * ms, 56 * ms, 59 * ms},
		},
		{
			name:   "bandwidth spaces them out, after a burst of 10 ms",
			toxics: []Toxic{{Type: bandwidthType, Rate: 50}},
			want:   []time.Duration{10 * ms, 30 * ms, 50 * ms, 50 * ms},
		},
		{
			name:   "an idle link has room for no more than its burst",
			toxics: []Toxic{{Type: bandwidthType, Rate: 50}},
			gap:    time.Second,
			want:   []time.Duration{10 * ms, 1010 * ms, 2010 * ms, 3000 * ms},
		},
		{
			name:   "a narrow link before a long one",
			toxics: []Toxic{{Type: bandwidthType, Rate: 50}, {Type: latencyType, Delay: 100 * ms}},
			want:   []time.Duration{110 * ms, 130 * ms, 150 * ms, 150 * ms},
		},
		{
			name:   "slices leave one by one",
			toxics: []Toxic{{Type: slicerType, Bytes: 1, Delay: 10 * ms}},
			want:   []time.Duration{0, 10 * ms, 20 * ms, 30 * ms},
		},
		{
			name:   "late slices stay apart",
			toxics: []Toxic{{Type: slicerType, Bytes: 1, Delay: 10 * ms}, {Type: latencyType, Delay: 50 * ms}},
			gap:    4 * ms,
			want:   []time.Duration{50 * ms, 60 * ms, 70 * ms, 80 * ms},
		},
		{
			name:   "slow close delays the end alone",
			toxics: []Toxic{{Type: slowCloseType, Delay: 2 * time.Second}},
			gap:    5 * ms,
			want:   []time.Duration{0, 5 * ms, 10 * ms, 2015 * ms},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.toxics {
				test.toxics[i].Way, test.toxics[i].Share = upstream, 1
			}
			synctest.Test(t, func(t *testing.T) {
				letters, times, _ := through(t, test.toxics, "abc", test.gap)
				if letters != "abcend" {
					t.Errorf("came out as %q", letters)
				}
				if !slices.Equal(times, test.want) {
					t.Errorf("came out at %v, want %v", times, test.want)
				}
			})
		})
	}
}

// With jitter delays spread evenly over ±jitter, the same ones for the same
// seed, and nothing overtakes.
func TestJitter(t *testing.T) {
	run := func(seed uint64) (times []time.Duration, c Counters) {
		synctest.Test(t, func(t *testing.T) {
			letters := "abcdefghijklmnopqrstuvwxyz"
			toxic := Toxic{Type: latencyType, Way: upstream, Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Share: 1, Seed: seed}
			out, at, set := through(t, []Toxic{toxic}, letters, time.Second)
			if out != letters+"end" {
				t.Errorf("came out as %q", out)
			}
			times, c = at, set[0].counters()
		})
		return times, c
	}
	first, counters := run(1)
	low, high := time.Hour, time.Duration(0)
	for i, at := range first[:len(first)-1] {
		delay := at - time.Duration(i)*time.Second
		low, high = min(low, delay), max(high, delay)
	}
	if low < 30*time.Millisecond || low > 36*time.Millisecond || high > 70*time.Millisecond || high < 64*time.Millisecond {
		t.Errorf("delays from %s to %s", low, high)
	}
	if counters.Pieces != 26 || counters.Bytes != 26 || counters.DelayMax != high || counters.DelayMean < 45*time.Millisecond || counters.DelayMean > 55*time.Millisecond {
		t.Errorf("counters %+v", counters)
	}
	if again, _ := run(1); !slices.Equal(first, again) {
		t.Error("another jitter with the same seed")
	}
	if other, _ := run(2); slices.Equal(first, other) {
		t.Error("the same jitter with another seed")
	}
}

// A queue takes no more than its limit, the budget or, being empty, one piece.
func TestQueueBounds(t *testing.T) {
	for _, test := range []struct {
		name        string
		limit, used int // of the budget, by others
		want        int // pieces taken
	}{
		{"limit", 3 * (10 + overhead), 0, 3},
		{"the budget is used up", 1 << 20, budgetSize, 1}, // one is always taken
		{"a piece larger than the limit", 1, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shared budget
				shared.used.Store(int64(test.used))
				dead := make(chan struct{})
				q := newQueue(&shared, dead)
				taken := 0
				go func() {
					for q.put(queued{data: make([]byte, 10), due: never}, test.limit, q.released()) {
						taken++
					}
				}()
				synctest.Wait()
				if taken != test.want {
					t.Errorf("took %d pieces, want %d", taken, test.want)
				}
				// Letting them leave makes room for as many again. The one
				// that waited for room leaves with them.
				out := recorder{start: time.Now()}
				var wg sync.WaitGroup
				wg.Go(func() { _ = q.drain(&out) })
				q.release()
				synctest.Wait()
				if len(out.pieces) != test.want+1 || taken != 2*test.want+1 {
					t.Errorf("after release %d came out and %d were taken in all", len(out.pieces), taken)
				}
				close(dead)
				wg.Wait()
				synctest.Wait()
				if used := shared.used.Load(); used != int64(test.used) {
					t.Errorf("%d bytes of the budget are left in use", used-int64(test.used))
				}
			})
		})
	}
}

// Pieces due at once, thousands of them, keep their order.
func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared budget
		q := newQueue(&shared, nil)
		const n = 5000
		rng := rand.New(rand.NewPCG(1, 2))
		start := time.Now()
		var wg sync.WaitGroup
		out := recorder{start: start}
		wg.Go(func() { _ = q.drain(&out) })
		for i := range n {
			q.put(queued{data: []byte{byte(i >> 8), byte(i)}, due: start.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)}, queueSize, 0)
		}
		q.close()
		wg.Wait()
		if len(out.pieces) != n {
			t.Fatalf("%d pieces came out", len(out.pieces))
		}
		for i, p := range out.pieces {
			if p != string([]byte{byte(i >> 8), byte(i)}) {
				t.Fatalf("piece %d is %x", i, p)
			}
		}
	})
}

// Expiry is the proxy's own: nobody needs to ask for it.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{links: map[*link]bool{}}
		s.set.Store(&toxicSet{})
		short := []Toxic{{Type: resetType, Share: 1}}
		long := []Toxic{{Type: latencyType, Way: upstream, Delay: 1, Share: 1}}
		if err := s.inject("short", short, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := s.inject("long", long, time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if n := len(s.toxics()); n != 2 {
			t.Errorf("%d toxics before the first expiry", n)
		}
		// Set anew before it expires, it lasts from then on.
		if err := s.inject("long", long, time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if set := s.toxics(); len(set) != 1 || set[0].owner != "long" {
			t.Errorf("after the first expiry: %v", set)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(s.toxics()); n != 0 {
			t.Errorf("%d toxics after both expired", n)
		}
	})
}

func TestToxicCheck(t *testing.T) {
	for _, test := range []struct {
		toxic Toxic
		ok    bool
	}{
		{Toxic{Type: latencyType, Way: upstream, Delay: 1, Share: 1}, true},
		{Toxic{Type: resetType, Share: 0.5}, true},
		{Toxic{Type: "limits", Way: upstream, Share: 1}, false}, // no such toxic
		{Toxic{Type: limitType, Way: upstream, Share: 1}, true}, // the first byte is too much
		{Toxic{Type: limitType, Way: upstream, Bytes: -1, Share: 1}, false},
		{Toxic{Type: limitType, Bytes: 1, Share: 1}, false}, // which way?
		{Toxic{Type: slicerType, Way: upstream, Bytes: 10, Variation: 9, Share: 1}, true},
		{Toxic{Type: slicerType, Way: upstream, Bytes: 10, Variation: 10, Share: 1}, false}, // slices of nothing
		{Toxic{Type: slicerType, Way: upstream, Share: 1}, false},
		{Toxic{Type: timeoutType, Way: upstream, Delay: -1, Share: 1}, false},
		{Toxic{Type: halfOpenType, Way: upstream, Share: 1}, true},
		{Toxic{Type: halfOpenType, Share: 1}, false},                                           // which side?
		{Toxic{Type: httpType, Share: 1}, false},                                               // no rule
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Path: "/"}}, false},                   // nothing is done
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Abort: 503}}, true},                   //
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Abort: 101}}, false},                  // not an end
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{GRPC: 99}}, false},                    // no such status
		{Toxic{Type: httpType, Way: upstream, Share: 1, HTTP: &HTTPRule{Abort: 503}}, false},   // a request has no way
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Delay: 1, Jitter: 2}}, false},         // earlier than sent
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Ask: &Patch{Status: 500}}}, false},    // a request has none
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Answer: &Patch{Status: 204}}}, false}, // has no body, and one follows
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Answer: &Patch{Set: map[string]string{"A\n": ""}}}}, false},
		{Toxic{Type: httpType, Share: 1, HTTP: &HTTPRule{Answer: &Patch{Remove: []string{"Content-Length"}}}}, false}, // says where it ends
		{Toxic{Type: tlsType, Share: 1}, false},
		{Toxic{Type: tlsType, Share: 1, TLS: &TLSRule{Fault: tlsStall}}, true},
		{Toxic{Type: tlsType, Share: 1, TLS: &TLSRule{Fault: tlsExpired, CA: "ca.pem"}}, false}, // without its key
		{Toxic{Type: latencyType, Delay: 1, Share: 1}, false},                                   // which way?
		{Toxic{Type: latencyType, Way: "left", Delay: 1, Share: 1}, false},                      // no such way
		{Toxic{Type: resetType, Way: upstream, Share: 1}, false},                                // a reset has none
		{Toxic{Type: latencyType, Way: upstream, Share: 1}, false},                              // no delay
		{Toxic{Type: latencyType, Way: upstream, Delay: 1, Jitter: 2, Share: 1}, false},         // earlier than sent
		{Toxic{Type: latencyType, Way: upstream, Delay: -1, Share: 1}, false},
		{Toxic{Type: bandwidthType, Way: upstream, Share: 1}, false}, // no rate
		{Toxic{Type: blackholeType, Way: upstream}, false},           // of no connection
		{Toxic{Type: blackholeType, Way: upstream, Share: 1.1}, false},
	} {
		if err := test.toxic.check(); (err == nil) != test.ok {
			t.Errorf("check(%+v) = %v", test.toxic, err)
		}
	}
}

func TestShare(t *testing.T) {
	toxic := Toxic{Share: 0.3, Seed: 7}
	hit := 0
	for conn := range uint64(10000) {
		if toxic.hits(conn) {
			hit++
		}
	}
	if hit < 2850 || hit > 3150 {
		t.Errorf("%d of 10000 connections hit, want 30%%", hit)
	}
}

// BenchmarkQueue is one small piece through a queue without delay.
func BenchmarkQueue(b *testing.B) {
	var shared budget
	q := newQueue(&shared, nil)
	var wg sync.WaitGroup
	wg.Go(func() { _ = q.drain(nowhere{}) })
	data := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		q.put(queued{data: data}, queueSize, 0)
	}
	q.close()
	wg.Wait()
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) CloseWrite() error           { return nil }
