//go:build e2e && linux

package kills

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A kill is one random kill and what came of it.
type kill struct {
	n      int
	kind   string
	form   int
	victim string // brunt, reaper, helper, target, or brunt and its reaper
	stop   bool   // stopped past the lease, not killed
	at     time.Duration
	broken bool // a fault was in place when it came
	clean  time.Duration
}

const both = "both"

func (k kill) name() string {
	verb := "kill"
	if k.stop {
		verb = "stop"
	}
	return fmt.Sprintf("%04d_%s_%s_%s_at_%s", k.n, k.kind, verb, k.victim, k.at)
}

// randomKills decides who is killed and when.
func randomKills(n int, seed uint64) []kill {
	plan := rand.New(rand.NewPCG(seed, 0))
	var all []kill
	for i := range n {
		k := kill{n: i, kind: arenas[i%len(arenas)].kind, form: plan.IntN(len(dockerFaults)), stop: plan.IntN(5) == 0,
			at: time.Duration(plan.Int64N(int64(total + 600*time.Millisecond))).Truncate(time.Millisecond)}
		who := []string{"brunt", "brunt", "brunt", "reaper"}
		if !k.stop {
			who = append(who, both)
		}
		if noHelper[k.kind] == "" {
			who = append(who, "helper")
		}
		if noTarget[k.kind] == "" {
			who = append(who, "target")
		}
		k.victim = who[plan.IntN(len(who))]
		all = append(all, k)
	}
	return all
}

// Whoever is killed or stopped, and whenever: in the end everything is as it
// was, and nothing is left. This is the binary that people get.
func TestE2ERandomKills(t *testing.T) {
	needRoot(t)
	exe, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(randomKills(*kills, *seed), func(k kill) bool { return !strings.Contains(k.name(), *only) })
	var mu sync.Mutex
	var done []kill
	together(t, len(all), func(i int) string { return all[i].name() }, func(t *testing.T, i int) {
		k := all[i]
		k.play(t, exe)
		mu.Lock()
		defer mu.Unlock()
		done = append(done, k)
	})
	for _, victim := range []string{"brunt", "reaper", "helper", "target", both} {
		for _, stop := range []bool{false, true} {
			report(t, done, victim, stop)
		}
	}
}

// report logs how long it took from the signal until all was as before.
func report(t *testing.T, done []kill, victim string, stop bool) {
	t.Helper()
	n := 0
	var broken []time.Duration
	for _, k := range done {
		if k.victim != victim || k.stop != stop {
			continue
		}
		n++
		if k.broken {
			broken = append(broken, k.clean)
		}
	}
	if n == 0 {
		return
	}
	verb := "killed"
	if stop {
		verb = "stopped past the lease"
	}
	line := fmt.Sprintf("%s %s: %d times, %d of them with a fault in place", victim, verb, n, len(broken))
	if len(broken) > 0 && (victim == "brunt" || victim == "reaper" && !stop) {
		slices.Sort(broken)
		line += fmt.Sprintf("; until clean: median %s, worst %s", broken[len(broken)/2].Round(time.Millisecond), broken[len(broken)-1].Round(time.Millisecond))
	}
	t.Log(line)
}

func (k *kill) play(t *testing.T, exe string) {
	c := &cell{kind: k.kind, form: k.form}
	c.prepare(t, exe)
	c.start(t)
	time.Sleep(k.at)
	victims := c.victims(k.victim)
	if k.victim == both {
		victims = append(c.victims("reaper"), c.victims("brunt")...)
	}
	k.broken = c.broken()
	s := syscall.SIGKILL
	if k.stop {
		s = syscall.SIGSTOP
	}
	struck := time.Now()
	signal(t, victims, s) // it may not have begun, or have ended
	targetDead := k.victim == "target" && !k.stop
	switch {
	case k.victim == both:
		// Nobody is left to undo: that is what brunt undo is for. Where the kill
		// came before there was a lease, there is nothing to undo.
		c.wait(t)
		if code, said := c.call("undo", c.run); code != 0 && code != exitUsage {
			t.Errorf("undo: exit %d\n%s\n%s", code, said, c.story())
		}
		c.clean(t, undo, false)
	case k.stop:
		if k.victim == "brunt" {
			c.clean(t, lease+undo, false)
			k.clean = time.Since(struck)
		}
		time.Sleep(time.Until(struck.Add(lease + renew)))
		signal(t, victims, syscall.SIGCONT)
		c.clean(t, total+lease+undo, false)
	case k.victim == "brunt":
		c.clean(t, lease+undo, false)
		k.clean = time.Since(struck)
	case k.victim == "reaper" && k.broken:
		c.clean(t, renew+undo, false)
		k.clean = time.Since(struck)
	default: // brunt lives: the fault has its time
		c.clean(t, total+lease+undo, targetDead)
	}
	code := c.wait(t)
	// A target that is dead when brunt begins is refused, and so is a run whose
	// reaper dies before it has taken its order.
	refused := code == exitUsage && (targetDead || k.victim == "reaper" || k.victim == both)
	if c.exitIsBad(code) && !refused {
		t.Errorf("exit %d\n%s", code, c.story())
	}
	if code == exitPass && k.broken && len(victims) > 0 && (k.victim == "brunt" || k.victim == both) {
		t.Errorf("the run passed\n%s", c.story())
	}
	if code == exitFaultLeft && (k.victim == "brunt" || k.victim == "reaper") {
		t.Errorf("the fault was not proven gone\n%s", c.story())
	}
	c.settled(t, targetDead)
}
