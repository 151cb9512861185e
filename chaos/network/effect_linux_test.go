//go:build e2e

package network

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// set prepares and injects a fault, and undoes it when the test ends.
func (r *rig) set(t *testing.T, c Config, env chaos.Env) (chaos.Fault, chaos.Receipt) {
	t.Helper()
	f := r.fault(t, c, env)
	receipt, err := f.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mend(t, receipt) })
	return f, receipt
}

func mend(t *testing.T, receipt chaos.Receipt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), chaos.UndoBound) // a test's own context ends before its cleanups
	defer cancel()
	if err := Mend().Undo(ctx, receipt); err != nil {
		t.Errorf("undo: %v", err)
	}
}

func measure(t *testing.T, f chaos.Fault, receipt chaos.Receipt) string {
	t.Helper()
	text, err := f.(chaos.Measurer).Measure(t.Context(), receipt)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func verify(t *testing.T, receipt chaos.Receipt) chaos.State {
	t.Helper()
	state, err := Mend().Verify(t.Context(), receipt)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

const someTime = 300 * time.Millisecond

// A round is as many datagrams as fit into a socket's buffer, so that a busy
// machine, on which the echo has to wait for its turn, loses none.
const (
	roundSize  = 40
	roundCount = 7
)

// rounds pings in rounds and returns the medians of the answers and of the mean
// round trips: what else goes on at this machine spoils some rounds, not most.
func (r *rig) rounds(t *testing.T, patience time.Duration) (answers int, mean time.Duration) {
	t.Helper()
	var counts []int
	var means []time.Duration
	for range roundCount {
		n, m, _ := r.ping(t, farAddress, roundSize, patience)
		counts, means = append(counts, n), append(means, m)
	}
	slices.Sort(counts)
	slices.Sort(means)
	return counts[roundCount/2], means[roundCount/2]
}

// A delay is at least what was asked for, and comes out as little more.
func TestE2EDelay(t *testing.T) {
	for _, row := range []struct {
		name   string
		config Config
		least  time.Duration // of the round trip's mean
	}{
		{"default", Config{Delay: 50 * time.Millisecond, To: []string{farAddress}}, 50 * time.Millisecond},
		{"out", Config{Delay: 50 * time.Millisecond, Direction: outbound, To: []string{farAddress}}, 50 * time.Millisecond},
		{"in", Config{Delay: 50 * time.Millisecond, Direction: inbound, Interface: "near0"}, 50 * time.Millisecond},
		{"both", Config{Delay: 50 * time.Millisecond, Direction: both}, 100 * time.Millisecond},
		{"jitter", Config{Delay: 50 * time.Millisecond, Jitter: 5 * time.Millisecond}, 45 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			_, without := r.rounds(t, someTime)
			f, receipt := r.set(t, row.config, chaos.Env{For: time.Minute})
			answers, with := r.rounds(t, time.Second)
			if answers != roundSize {
				t.Errorf("%d of %d answers came in most rounds", answers, roundSize)
			}
			if with < row.least {
				t.Errorf("a round trip takes %s, and at least %s was asked for", with, row.least)
			}
			bulk := r.push(t, farAddress, time.Second)
			t.Logf("TCP in bulk: %s/s", byteCount(int64(bulk)))
			t.Logf("asked %s; round trip %s without, %s with; %s", What(row.config), without, with, measure(t, f, receipt))
		})
	}
}

// Loss is by chance, so it is held against five standard deviations.
func TestE2ELoss(t *testing.T) {
	r := newRig(t)
	const n, share = 10_000, 0.1
	f, receipt := r.set(t, Config{Loss: share, To: []string{farAddress}}, chaos.Env{For: time.Minute})
	answers, _, _ := r.ping(t, farAddress, n, 3*time.Second)
	d, err := read(receipt)
	if err != nil {
		t.Fatal(err)
	}
	v, err := look(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, met := v.count(metCounter)
	_, lost := v.count(lostCounter)
	if met.Packets != n {
		t.Errorf("%d packets met the fault, and %d were sent", met.Packets, n)
	}
	if off := math.Abs(float64(lost.Packets) - n*share); off > 5*math.Sqrt(n*share*(1-share)) {
		t.Errorf("%d of %d packets were lost", lost.Packets, n)
	}
	if int64(answers) > met.Packets-lost.Packets {
		t.Errorf("%d answers, though %d of %d packets were lost", answers, lost.Packets, met.Packets)
	}
	t.Logf("asked 10%%; %d answers to %d packets; %s", answers, n, measure(t, f, receipt))
}

// Nothing passes a partition that is meant, and all passes that is not.
func TestE2EPartition(t *testing.T) {
	for _, row := range []struct {
		name       string
		config     Config
		four, six  int  // answers of ten
		farAnswers bool // the far side still gets the packets
	}{
		{"everyone", Config{}, 0, 0, false},
		{"one address", Config{To: []string{farAddress}}, 0, 10, false},
		{"the other address", Config{To: []string{far6Address}}, 10, 0, false},
		{"a network and another port", Config{To: []string{"10.231.0.0/16:7", "[fd00::]:7007"}}, 10, 10, false},
		{"one port of everyone", Config{To: []string{":7007"}}, 0, 0, false},
		{"another interface", Config{Interface: "lo"}, 10, 10, false},
		{"in", Config{Direction: inbound, To: []string{farAddress}}, 0, 10, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			r.answers(t, far6Address)
			row.config.Partition = true
			f, receipt := r.set(t, row.config, chaos.Env{For: time.Minute})
			before := r.echoed.Load()
			four, _, _ := r.ping(t, farAddress, 10, someTime)
			if four != row.four {
				t.Errorf("%d of 10 answers to IPv4, want %d", four, row.four)
			}
			if got := r.echoed.Load()-before > 0; row.four == 0 && got != row.farAnswers {
				t.Errorf("the far side got packets: %t, want %t", got, row.farAnswers)
			}
			if six, _, _ := r.ping(t, far6Address, 10, someTime); six != row.six {
				t.Errorf("%d of 10 answers to IPv6, want %d", six, row.six)
			}
			t.Log(measure(t, f, receipt))
		})
	}
}

// A rate is kept, both by the queue on the way out and by the policer.
func TestE2ERate(t *testing.T) {
	for _, rate := range []int64{256 << 10, 1 << 20, 10 << 20} {
		r := newRig(t)
		without := r.push(t, farAddress, someTime)
		c := Config{Rate: rate, Interface: "near0"}
		f, receipt := r.set(t, c, chaos.Env{For: time.Minute})
		with := r.push(t, farAddress, 2*time.Second)
		// What the class's burst and the sockets' buffers add over two seconds.
		if with > float64(rate)*1.1+64<<10 {
			t.Errorf("%s/s got through, and %s/s was asked for", byteCount(int64(with)), byteCount(rate))
		}
		t.Logf("asked %s; without %s/s, with %s/s; %s", What(c), byteCount(int64(without)), byteCount(int64(with)), measure(t, f, receipt))
	}
}

// A namespace without a stir has no evidence, and says so.
func TestE2ENoTraffic(t *testing.T) {
	r := newRig(t)
	_, receipt := r.set(t, Config{Partition: true, To: []string{farAddress}}, chaos.Env{For: time.Minute})
	if state, err := Mend().Verify(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), chaos.ErrNoEvidence.Error()) {
		t.Errorf("verify without traffic: %q, %v", state, err)
	}
}
