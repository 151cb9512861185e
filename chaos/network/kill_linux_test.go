//go:build e2e

package network

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
)

// passes waits until packets pass, and none is late.
func (r *rig) passes(t *testing.T, late time.Duration) {
	t.Helper()
	eventually(t, "packets pass", func() bool {
		answers, mean, _ := r.ping(t, farAddress, 5, someTime)
		return answers == 5 && mean < late
	})
}

// ownedHere are the receipts that Owned finds in the near namespace.
func (r *rig) ownedHere(t *testing.T) []chaos.Receipt {
	t.Helper()
	all, err := Owned(t.Context())
	if err != nil {
		t.Log(err) // other namespaces of this machine come and go
	}
	return slices.DeleteFunc(all, func(receipt chaos.Receipt) bool {
		d, err := read(receipt)
		return err != nil || !d.Namespace.same(r.nearPlace.id)
	})
}

// undoOwned mends all that is ours in the near namespace, by its marks alone.
func (r *rig) undoOwned(t *testing.T, want int) {
	t.Helper()
	owned := r.ownedHere(t)
	if len(owned) != want {
		t.Errorf("found %d faults by their marks, want %d: %v", len(owned), want, owned)
	}
	for _, receipt := range owned {
		mend(t, receipt)
		if state := verify(t, receipt); state != chaos.Gone {
			t.Errorf("verify of what was found by its marks: %s", state)
		}
	}
}

// When the delaying process is killed, packets pass and the fault is gone.
func TestE2EKillDelayer(t *testing.T) {
	r := newRig(t)
	before := r.state(t)
	_, receipt := r.set(t, Config{Delay: time.Second, Direction: both}, chaos.Env{For: time.Minute})
	kill(t, r.delayerPid(t, receipt))
	r.passes(t, time.Second)
	if state := verify(t, receipt); state != chaos.Gone {
		t.Errorf("verify after the kill: %s", state)
	}
	mend(t, receipt)
	if after := r.state(t); after != before {
		t.Errorf("left %q; before, it was %q", after, before)
	}
}

// A delaying process that is stopped holds its packets; undo ends it all the same.
func TestE2EStoppedDelayer(t *testing.T) {
	r := newRig(t)
	before := r.state(t)
	_, receipt := r.set(t, Config{Delay: 20 * time.Millisecond}, chaos.Env{For: time.Minute})
	pid := r.delayerPid(t, receipt)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	mend(t, receipt)
	if !ended(pid) {
		t.Errorf("process %d is still there", pid)
	}
	r.passes(t, time.Second)
	if after := r.state(t); after != before {
		t.Errorf("left %q; before, it was %q", after, before)
	}
}

// startChild starts a brunt of the test's own that injects the fault, and
// returns it with the line that it printed.
func startChild(t *testing.T, c Config, through ...string) (*exec.Cmd, string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat(through, []string{exe})
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait() // killed, mostly
	})
	text, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(text)
}

// When brunt is killed, the kernel ends the fault by itself after its TTL, and
// the delaying process at once; what is left harms nobody, and is found and
// removed by its marks.
func TestE2EKillBrunt(t *testing.T) {
	for name, row := range map[string]struct {
		config Config
		atOnce bool
	}{
		"partition": {Config{Partition: true, To: []string{farAddress}, TTL: 2 * time.Second}, false},
		"rate":      {Config{Rate: 1 << 10, TTL: 2 * time.Second}, false},
		"delay":     {Config{Delay: 5 * time.Second, TTL: time.Hour}, true},
		"all":       {Config{Delay: 5 * time.Second, Rate: 1 << 10, Loss: 1, Direction: both, TTL: 2 * time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			before := r.state(t)
			row.config.Netns = r.near
			brunt, line := startChild(t, row.config)
			var receipt chaos.Receipt
			if err := json.Unmarshal([]byte(line), &receipt); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			kill(t, brunt.Process.Pid)
			r.passes(t, time.Second)
			eventually(t, "the fault is gone", func() bool {
				state, err := Mend().Verify(t.Context(), receipt)
				return err == nil && state == chaos.Gone
			})
			if row.atOnce {
				eventually(t, "no process delays", func() bool {
					d, err := read(receipt)
					if err != nil {
						t.Fatal(err)
					}
					_, err = r.nearPlace.askDelayer(t.Context(), d)
					return errors.Is(err, errNoDelayer)
				})
			}
			r.undoOwned(t, 1)
			if after := r.state(t); after != before {
				t.Errorf("left %q; before, it was %q", after, before)
			}
		})
	}
}

// What Inject leaves when it is cut off anywhere is found by its marks.
func TestE2EHalfWay(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *rig, data){
		"the root qdisc alone": func(t *testing.T, r *rig, d data) {
			if _, err := r.nearPlace.tc(t.Context(), d.shapeCommands("near0")[0]...); err != nil {
				t.Fatal(err)
			}
		},
		"all qdiscs, no table": func(t *testing.T, r *rig, d data) {
			for _, l := range d.Links {
				if err := r.nearPlace.shape(t.Context(), d, l); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the delaying process, no table": func(t *testing.T, r *rig, d data) {
			if err := r.nearPlace.startDelayer(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			before := r.state(t)
			f := r.fault(t, Config{Rate: 1 << 20, Delay: time.Millisecond, Direction: both, To: []string{farAddress}}, chaos.Env{})
			receipt, err := f.Prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			d, err := read(receipt)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // once by its receipt, once by its marks
				leave(t, r, d)
				if r.state(t) == before {
					t.Fatal("nothing was left")
				}
				if len(r.ownedHere(t)) != 1 {
					t.Errorf("by its marks: %v", r.ownedHere(t))
				}
				mend(t, receipt)
				if after := r.state(t); after != before {
					t.Fatalf("left %q; before, it was %q", after, before)
				}
				leave(t, r, d)
				r.undoOwned(t, 1)
				if after := r.state(t); after != before {
					t.Fatalf("left %q; before, it was %q", after, before)
				}
			}
		})
	}
}

// A root qdisc of someone else is left alone, before and after.
func TestE2EConflict(t *testing.T) {
	r := newRig(t)
	theirs := []string{"qdisc", "replace", "dev", "near0", "root", "handle", "77:", "htb"}
	f := r.fault(t, Config{Rate: 1 << 20, Interface: "near0"}, chaos.Env{})
	receipt, err := f.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tc := func(args ...string) {
		t.Helper()
		if _, err := r.nearPlace.tc(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	tc(theirs...)
	with := r.state(t)
	if _, err := f.Prepare(t.Context()); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("prepare: %v", err)
	}
	if err := f.Inject(t.Context(), receipt); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("inject: %v", err)
	}
	if r.state(t) != with {
		t.Errorf("changed %q to %q", with, r.state(t))
	}

	tc("qdisc", "del", "dev", "near0", "root")
	if err := f.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	tc("qdisc", "del", "dev", "near0", "root")
	tc(theirs...)
	if state, err := f.Verify(t.Context(), receipt); state != chaos.Conflict || !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("verify: %s, %v", state, err)
	}
	if err := f.Undo(t.Context(), receipt); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("undo: %v", err)
	}
	if r.state(t) != with {
		t.Errorf("left %q, and it was %q", r.state(t), with)
	}
}

// Two faults in one namespace are undone apart.
func TestE2ETwoFaults(t *testing.T) {
	r := newRig(t)
	r.answers(t, far6Address)
	_, one := r.set(t, Config{Partition: true, To: []string{farAddress}}, chaos.Env{})
	_, two := r.set(t, Config{Partition: true, To: []string{far6Address}}, chaos.Env{})
	mend(t, one)
	r.passes(t, time.Second)
	if answers, _, _ := r.ping(t, far6Address, 5, someTime); answers != 0 {
		t.Errorf("%d answers through the other fault", answers)
	}
	if state := verify(t, two); state != chaos.Active {
		t.Errorf("the other fault is %s", state)
	}
}

// A namespace or an interface that goes takes the fault with it, and one that
// comes back under its name is not touched.
func TestE2ETargetVanishes(t *testing.T) {
	r := newRig(t)
	_, receipt := r.set(t, Config{Rate: 1 << 20, Delay: time.Millisecond}, chaos.Env{})
	ip(t, "-n", r.near, "link", "del", "near0")
	mend(t, receipt)
	if state := verify(t, receipt); state != chaos.Gone {
		t.Errorf("verify after the interface went: %s", state)
	}

	r = newRig(t)
	_, receipt = r.set(t, Config{Partition: true}, chaos.Env{})
	ip(t, "netns", "del", r.near)
	r.nearPlace.close() // the last that kept it
	ip(t, "netns", "add", r.near)
	eventually(t, "the namespace is gone", func() bool {
		d, err := read(receipt)
		if err != nil {
			t.Fatal(err)
		}
		p, err := reopen(context.Background(), d.Namespace)
		if err == nil {
			p.close()
		}
		return errors.Is(err, errNoNamespace)
	})
	mend(t, receipt)
	if state := verify(t, receipt); state != chaos.Gone {
		t.Errorf("verify after the namespace went: %s", state)
	}
}

// A namespace that lost its name is found again through a process in it.
func TestE2ENamespaceMoves(t *testing.T) {
	r := newRig(t)
	_, receipt := r.set(t, Config{Delay: time.Millisecond, Direction: both}, chaos.Env{})
	ip(t, "netns", "del", r.near)
	r.ping(t, farAddress, 5, someTime)
	if state := verify(t, receipt); state != chaos.Active {
		t.Errorf("verify after the name went: %s", state)
	}
	mend(t, receipt)
}

// Prepare says which capability is missing, and what else is.
func TestE2EPrepareRefuses(t *testing.T) {
	r := newRig(t)
	for name, row := range map[string]struct {
		drop   string
		config Config
		want   string
	}{
		"no CAP_NET_ADMIN": {"-net_admin", Config{Netns: r.near, Partition: true}, "CAP_NET_ADMIN is missing"},
		"no CAP_SYS_ADMIN": {"-sys_admin", Config{Netns: r.near, Partition: true}, "CAP_SYS_ADMIN is missing"},
		"no namespace":     {"", Config{Netns: "brunt-test-nowhere", Partition: true}, "brunt-test-nowhere"},
		"no interface":     {"", Config{Netns: r.near, Interface: "near9", Partition: true}, "has no interface called near9"},
		"not a namespace":  {"", Config{Netns: "/etc/hostname", Partition: true}, "is no namespace"},
	} {
		t.Run(name, func(t *testing.T) {
			var through []string
			if row.drop != "" {
				through = []string{"setpriv", "--bounding-set", row.drop}
			}
			before := r.state(t)
			_, line := startChild(t, row.config, through...)
			if !strings.Contains(line, row.want) {
				t.Errorf("it says %q, want %q", line, row.want)
			}
			t.Log(line)
			if r.state(t) != before {
				t.Error("something was changed")
			}
		})
	}
}

// Without netem the faults that only it can make are refused; with it they work.
func TestE2ENetemOnly(t *testing.T) {
	r := newRig(t)
	before := r.state(t)
	f := r.fault(t, Config{Duplicate: 0.5}, chaos.Env{})
	receipt, err := f.Prepare(t.Context())
	if err != nil {
		if !strings.Contains(err.Error(), "netem") || r.state(t) != before {
			t.Errorf("prepare: %v", err)
		}
		t.Log(err)
		return
	}
	if err := f.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	r.ping(t, farAddress, 50, someTime)
	if state := verify(t, receipt); state != chaos.Active {
		t.Errorf("verify: %s", state)
	}
	mend(t, receipt)
	if after := r.state(t); after != before {
		t.Errorf("left %q; before, it was %q", after, before)
	}
}
