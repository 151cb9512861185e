//go:build e2e

package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

var (
	kills    = flag.Int("kills", 20, "how many random kills TestE2EFaultsRandomKills does")
	killSeed = flag.Uint64("killseed", 2, "decides who is killed and when")
	stops    = flag.Int("stops", 6, "how many random stops past the lease TestE2EFaultsRandomStops does")
	killers  = flag.Int("killers", 3, "how many games are played at once")
)

// A kill is one random kill and what came of it.
type kill struct {
	n      int
	victim string // brunt, reaper or proxy
	at     time.Duration
	broken bool          // a fault was in place when it came
	clean  time.Duration // from SIGKILL until nothing was broken
	exit   int
}

// Whoever of brunt, its reaper and its proxies is killed, and whenever: in the
// end everything is as before, no process is left, and no run passed that was
// cut short.
func TestE2EFaultsRandomKills(t *testing.T) {
	build(t)
	plan := rand.New(rand.NewPCG(*killSeed, 0))
	todo := make(chan kill)
	var mu sync.Mutex
	var done []kill
	var playing sync.WaitGroup
	for range *killers {
		playing.Go(func() {
			for k := range todo {
				t.Run(fmt.Sprintf("%04d_%s_at_%s", k.n, k.victim, k.at), func(t *testing.T) {
					k.play(t)
				})
				mu.Lock()
				done = append(done, k)
				mu.Unlock()
			}
		})
	}
	for n := range *kills {
		todo <- kill{
			n:      n,
			victim: []string{"brunt", "reaper", "proxy"}[plan.IntN(3)],
			at:     time.Duration(plan.Int64N(int64(2600 * time.Millisecond))).Truncate(time.Millisecond),
		}
	}
	close(todo)
	playing.Wait()
	for _, victim := range []string{"brunt", "reaper", "proxy"} {
		var all, broken []time.Duration
		for _, k := range done {
			if k.victim != victim {
				continue
			}
			all = append(all, k.clean)
			if k.broken {
				broken = append(broken, k.clean)
			}
		}
		slices.Sort(broken)
		line := fmt.Sprintf("%s: %d kills, %d with faults in place", victim, len(all), len(broken))
		if n := len(broken); n > 0 && victim != "proxy" {
			line += fmt.Sprintf("; from SIGKILL to clean: median %s, worst %s", broken[n/2].Round(100*time.Microsecond), broken[n-1].Round(100*time.Microsecond))
		}
		t.Log(line)
	}
}

// play plays one game with one kill in it.
func (k *kill) play(t *testing.T) {
	g := newGame(t, 300*time.Millisecond, 1200*time.Millisecond, 2*time.Second)
	cmd, wait := g.play(t)
	began := time.Now()
	time.Sleep(k.at)
	pid := map[string]func() int{
		"brunt":  func() int { return cmd.Process.Pid },
		"reaper": func() int { return first(g.processes(t, "reaper")) },
		"proxy":  func() int { return first(g.processes(t, "proxy")) },
	}[k.victim]()
	k.broken = g.frozen(t)
	killed := time.Now()
	if pid != 0 { // it may not have begun, or have ended
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	bound := e2eLease + e2eUndo
	if k.victim == "proxy" {
		bound += 2 * time.Second // brunt lives: the faults have their time
	}
	g.clean(t, bound)
	k.clean = time.Since(killed)

	got := wait()
	k.exit = got.code
	if k.broken && pid != 0 && k.exit == exitPass {
		t.Errorf("%s was killed %s after the start with faults in place, and the run passed\n%s\n%s", k.victim, killed.Sub(began), got.stdout, got.stderr)
	}
	if k.exit == exitFaultLeft || k.exit == exitInternal || strings.Contains(got.stderr, "panic:") {
		t.Errorf("exit %d\n%s\n%s", k.exit, got.stdout, got.stderr)
	}
	if k.victim == "brunt" {
		until(t, e2eLease+5*time.Second, "the reaper has ended", func() bool { return len(g.processes(t, "reaper")) == 0 })
		g.endProxies(t)
	}
	until(t, 5*time.Second, "no process is left", func() bool {
		return len(g.processes(t, "reaper"))+len(g.processes(t, "proxy"))+len(g.processes(t, "run")) == 0
	})
	if g.frozen(t) {
		t.Error("the victim is paused at the end")
	}
	if got := g.call(t, "undo", "--all"); got.code != 0 || strings.Contains(got.stdout, "gone after") {
		t.Errorf("there was something left to undo: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	if left := g.leases(t); len(left) > 0 {
		t.Errorf("leases left behind: %+v", left)
	}
}

// Whenever brunt is stopped past its lease, everything is as before within the
// lease; when it wakes up it undoes nothing, injects nothing and does not pass.
func TestE2EFaultsRandomStops(t *testing.T) {
	build(t)
	plan := rand.New(rand.NewPCG(*killSeed, 1))
	todo := make(chan time.Duration)
	var mu sync.Mutex
	var took []time.Duration
	var playing sync.WaitGroup
	for range *killers {
		playing.Go(func() {
			for at := range todo {
				t.Run(fmt.Sprintf("at_%s", at), func(t *testing.T) {
					if clean, broken := stopAt(t, at); broken {
						mu.Lock()
						took = append(took, clean)
						mu.Unlock()
					}
				})
			}
		})
	}
	for range *stops {
		todo <- time.Duration(plan.Int64N(int64(2 * time.Second))).Truncate(time.Millisecond)
	}
	close(todo)
	playing.Wait()
	slices.Sort(took)
	if n := len(took); n > 0 {
		t.Logf("%d stops, %d with faults in place; from SIGSTOP to clean with a lease of %s: median %s, worst %s",
			*stops, n, e2eLease, took[n/2].Round(time.Millisecond), took[n-1].Round(time.Millisecond))
	}
}

// stopAt plays one game in which brunt is stopped past its lease.
func stopAt(t *testing.T, at time.Duration) (clean time.Duration, broken bool) {
	g := newGame(t, 300*time.Millisecond, 1200*time.Millisecond, 2*time.Second)
	cmd, wait := g.play(t)
	time.Sleep(at)
	sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
	until(t, time.Second, "brunt is stopped", func() bool { return strings.ContainsRune("TZ", rune(processState(t, cmd.Process.Pid))) })
	broken = g.frozen(t)
	clean = g.clean(t, e2eLease+e2eUndo)
	if broken {
		time.Sleep(e2eRenew)
	} else {
		time.Sleep(e2eLease + e2eRenew) // the lease, if there is one, runs out
	}
	sendSignal(t, cmd.Process.Pid, syscall.SIGCONT)
	got := wait()
	if broken && got.code == exitPass || got.code == exitFaultLeft || got.code == exitInternal {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	if g.frozen(t) {
		t.Error("the victim is paused at the end")
	}
	if broken {
		records, _, err := chaos.ReadReceipts(g.run)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Stage == chaos.StageUndone && r.Epoch < 2 && strings.HasPrefix(r.ID, "frozen") {
				t.Errorf("undone by a brunt whose lease had run out: %+v", r)
			}
		}
	}
	g.settled(t)
	until(t, 5*time.Second, "no process is left", func() bool {
		return len(g.processes(t, "reaper"))+len(g.processes(t, "proxy"))+len(g.processes(t, "run")) == 0
	})
	return clean, broken
}

func first(pids []int) int {
	if len(pids) == 0 {
		return 0
	}
	return pids[0]
}
