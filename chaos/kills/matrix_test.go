//go:build e2e && linux

package kills

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// transitions are the rows of each kind.
var transitions = []chaos.Transition{
	chaos.Written, chaos.Guarded, chaos.Injecting, chaos.Injected, chaos.Effective, chaos.Undoing, chaos.Undone, chaos.Verified,
}

// A disturbance is a column: who, and what is done to them.
type disturbance struct{ who, what string }

const (
	killed  = "SIGKILL"
	stopped = "SIGSTOP"
)

var disturbances = []disturbance{
	{"brunt", killed}, {"brunt", stopped}, {"reaper", killed}, {"reaper", stopped}, {"helper", killed}, {"helper", stopped},
	{"target", killed}, {"target", stopped}, {"disk", "full"}, {"record", "torn"}, {"clock", "+1h"}, {"clock", "-1h"}, {"machine", "gone"},
}

// applies says whether a column is one of a kind's. What is in a cluster has no
// process here, and can be found from another machine.
func (d disturbance) applies(kind string) bool {
	switch d.who {
	case "helper":
		return !isCluster(kind) && noHelper[kind] == ""
	case "target":
		return !isCluster(kind) && noTarget[kind] == ""
	case "disk":
		return !isCluster(kind) // it is about the run directory, which is as any other kind's
	case "machine":
		return isCluster(kind)
	}
	return true
}

func (d disturbance) String() string { return d.who + " " + d.what }

// inPlace says whether the fault is in place, in part at least, when a
// transition is passed.
func inPlace(at chaos.Transition) bool {
	return at == chaos.Injected || at == chaos.Effective
}

// A play is one cell of the matrix and what came of it.
type played struct {
	kind  string
	at    chaos.Transition
	do    disturbance
	why   string // there is no such cell, because
	clean time.Duration
	exit  int
	bad   bool
}

func (p played) name() string {
	return strings.ReplaceAll(fmt.Sprintf("%s/%s/%s", p.kind, p.at, p.do), " ", "_")
}

// matrix lists all cells. What cannot be is there with its reason.
func matrix(of []arenaOf) []played {
	var all []played
	for _, a := range of {
		for _, at := range transitions {
			for _, do := range disturbances {
				p := played{kind: a.kind, at: at, do: do}
				switch {
				case isCluster(a.kind) || do.who == "machine":
					if !do.applies(a.kind) {
						continue
					}
				case do.who == "target":
					p.why = noTarget[a.kind]
				case do.who == "clock" && a.kind == "clock":
					p.why = "brunt's own clock is the yardstick there, and moves with the machine's"
				case do.who == "helper":
					p.why = noHelper[a.kind]
					if p.why == "" && lacksHelper(a.kind, at) {
						p.why = "it does not run then"
					}
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// lacksHelper says whether a kind's helper is started by the fault, and so is
// not there before and after it.
func lacksHelper(kind string, at chaos.Transition) bool {
	if kind == "proxy" || kind == "dns" {
		return false
	}
	switch at {
	case chaos.Written, chaos.Guarded, chaos.Undone, chaos.Verified:
		return true
	case chaos.Undoing:
		return kind == "stress" // its end is what undoes it
	}
	return false
}

// Whatever is disturbed at whichever transition, the system is as before within
// the bound, and nothing is left of brunt.
func TestE2EMatrix(t *testing.T) {
	needRoot(t)
	playMatrix(t, arenas)
}

// The same in a cluster; and when the machine that brunt ran on is gone with all
// that brunt had there, undo --all mends it from another.
func TestKubeE2EMatrix(t *testing.T) { playMatrix(t, clusterArenas) }

func playMatrix(t *testing.T, of []arenaOf) {
	t.Helper()
	exe, err := stopping()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shipped(); err != nil {
		t.Fatal(err)
	}
	all := matrix(of)
	var todo, alone []*played
	for i, p := range all {
		switch {
		case p.why != "" || !strings.Contains(p.name(), *only):
		case p.do.who == "machine": // undo --all would mend what others play with
			alone = append(alone, &all[i])
		default:
			todo = append(todo, &all[i])
		}
	}
	one := func(t *testing.T, p *played) {
		p.bad = true // unless it comes to its end
		p.play(t, exe)
		p.bad = t.Failed()
	}
	together(t, len(todo), func(i int) string { return todo[i].name() }, func(t *testing.T, i int) { one(t, todo[i]) })
	for _, p := range alone {
		t.Run(p.name(), func(t *testing.T) { one(t, p) })
	}
	table(t, of, all)
}

// play plays one cell.
func (p *played) play(t *testing.T, exe string) {
	c := &cell{kind: p.kind, at: at, length: length, total: total}
	if p.at == chaos.Effective { // a busy machine takes its time to show an effect
		c.length, c.total = 6*time.Second, 7*time.Second
	}
	killpoint, shift := filepath.Join(t.TempDir(), "point"), filepath.Join(t.TempDir(), "shift")
	if err := os.WriteFile(shift, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	c.prepare(t, exe, chaosVariable+"=run "+string(p.at), chaosFile+"="+killpoint, shiftVariable+"="+shift)
	if p.do.who == "disk" {
		tmpfs(t, c.run, "4m")
		tmpfs(t, c.state, "4m")
	}
	c.start(t)
	reached := false
	within(t, 30*time.Second, "brunt gets there", func() bool {
		select {
		case <-c.ended:
			t.Fatalf("brunt never got to %q\n%s", p.at, c.story())
		default:
		}
		_, err := os.Stat(killpoint + ".reached")
		reached = err == nil
		return reached
	})
	if inPlace(p.at) {
		within(t, 2*time.Second+c.arena.slack, "the fault can be seen in the system's own state", c.broken)
	} else if (p.at == chaos.Written || p.at == chaos.Guarded) && c.broken() {
		t.Fatalf("broken before the injection:\n%s\nbefore:\n%s", c.arena.look(), c.before)
	}
	release := func() {
		if err := os.WriteFile(killpoint+".go", nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	targetDead := p.do == disturbance{"target", killed}
	p.clean = p.disturb(t, c, release, shift)
	p.exit = c.wait(t)
	p.judge(t, c)
	c.settled(t, targetDead)
}

// The variables of chaos.Pass in a binary with killpoints.
const (
	chaosVariable = "BRUNT_KILLPOINT"
	chaosFile     = "BRUNT_KILLPOINT_FILE"
)

// disturb does it and returns how long it took until the system was as before.
func (p *played) disturb(t *testing.T, c *cell, release func(), shift string) time.Duration {
	t.Helper()
	victims := c.victims(p.do.who)
	if (p.do.what == killed || p.do.what == stopped) && len(victims) == 0 {
		t.Fatalf("there is no %s to disturb", p.do.who)
	}
	targetDead := p.do == disturbance{"target", killed}
	runsOn := c.length + c.total // the fault may still have its time
	switch {
	case p.do == disturbance{"brunt", killed}:
		signal(t, victims, syscall.SIGKILL)
		return c.clean(t, lease+undo, false)
	case p.do == disturbance{"brunt", stopped}:
		signal(t, victims, syscall.SIGSTOP)
		began := time.Now()
		took := c.clean(t, lease+undo, false)
		time.Sleep(time.Until(began.Add(lease + renew)))
		signal(t, victims, syscall.SIGCONT)
		release()
		return took
	case p.do == disturbance{"reaper", killed}:
		signal(t, victims, syscall.SIGKILL)
		release()
		return c.clean(t, renew+undo, false)
	case p.do == disturbance{"reaper", stopped}:
		signal(t, victims, syscall.SIGSTOP)
		release()
		began := time.Now()
		took := c.clean(t, 2*renew+undo, false)
		time.Sleep(time.Until(began.Add(lease + renew)))
		signal(t, victims, syscall.SIGCONT)
		return took
	case p.do.what == killed:
		signal(t, victims, syscall.SIGKILL)
		release()
		return c.clean(t, runsOn+undo, targetDead)
	case p.do.what == stopped:
		signal(t, victims, syscall.SIGSTOP)
		release()
		time.Sleep(lease + renew)
		signal(t, victims, syscall.SIGCONT)
		return c.clean(t, runsOn+lease+undo, false)
	case p.do.who == "disk":
		fillUp(t, c.run)
		fillUp(t, c.state)
		release()
		return c.clean(t, runsOn+undo, false)
	case p.do.who == "record":
		signal(t, append(c.victims("reaper"), c.victims("brunt")...), syscall.SIGKILL)
		c.wait(t)
		began := time.Now()
		tear(t, filepath.Join(c.run, chaos.ReceiptsFile))
		if code, said := c.call("undo", c.run); code != 0 {
			t.Errorf("undo: exit %d\n%s\n%s", code, said, c.story())
		}
		c.clean(t, undo, false)
		return time.Since(began)
	case p.do.who == "machine":
		signal(t, append(c.victims("reaper"), c.victims("brunt")...), syscall.SIGKILL)
		c.wait(t)
		began := time.Now()
		elsewhere := t.TempDir()
		env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + elsewhere, "KUBECONFIG=" + c.arena.kubeconfig}
		if code, said := c.callWith(env, "undo", "--all"); code != 0 {
			t.Errorf("undo --all elsewhere: exit %d\n%s\n%s", code, said, c.story())
		}
		c.clean(t, undo, false)
		return time.Since(began)
	default:
		seconds := int64(time.Hour / time.Second)
		if p.do.what == "-1h" {
			seconds = -seconds
		}
		setShift(t, shift, seconds)
		release()
		return c.clean(t, runsOn+undo, false)
	}
}

// setShift moves the clock of all who map the file; it is never cut short, which
// would kill them.
func setShift(t *testing.T, path string, seconds int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(seconds)), 0)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// fillUp leaves no byte free.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// tear cuts the last record of a file in half, as a crash in mid-write does.
func tear(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.TrimSuffix(text, []byte{'\n'})
	start := bytes.LastIndexByte(whole, '\n') + 1
	if err := os.Truncate(path, int64(start+(len(whole)-start)/2)); err != nil {
		t.Fatal(err)
	}
}

// judge looks at how brunt ended.
func (p *played) judge(t *testing.T, c *cell) {
	t.Helper()
	if c.exitIsBad(p.exit) {
		t.Errorf("exit %d\n%s", p.exit, c.story())
	}
	broke := p.at != chaos.Written && p.at != chaos.Guarded && p.at != chaos.Verified
	switch {
	case p.exit == exitPass && broke && (p.do.who == "brunt" || p.do.who == "reaper" && p.at != chaos.Undone || p.do.who == "disk"):
		t.Errorf("the run passed\n%s", c.story())
	case p.exit == exitFaultLeft && p.do.who != "target" && p.do.who != "helper":
		t.Errorf("the fault was not proven gone\n%s", c.story())
	}
}

// exitIsBad says whether brunt fell over its own feet.
func (c *cell) exitIsBad(code int) bool {
	return code == exitInternal || code == exitUsage || strings.Contains(c.stderr.String(), "panic:")
}
