//go:build e2e && linux

package labtest

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// However a lab ends, nothing of it is left: no process and no state.
func TestKubeE2ELabLeavesNothing(t *testing.T) {
	for name, end := range map[string]func(*Lab) error{
		"parent gone": func(l *Lab) error { return l.stdin.Close() },
		"SIGTERM":     func(l *Lab) error { return l.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL":     func(l *Lab) error { return l.cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := start([]string{"-chaos-mesh"})
			if err != nil {
				t.Fatal(err)
			}
			if len(l.Children) != 3 { // the sweeper, the controller and the fake daemon
				t.Errorf("children: %v", l.Children)
			}
			if err := end(l); err != nil {
				t.Fatal(err)
			}
			<-l.done
			if killed := name == "SIGKILL"; killed != (l.err != nil) {
				t.Errorf("ended: %v: %s", l.err, l.output)
			}
			deadline := time.Now().Add(bound)
			for left := what(l); left != ""; left = what(l) {
				if time.Now().After(deadline) {
					t.Fatalf("left behind: %s", left)
				}
				time.Sleep(20 * time.Millisecond) // nothing tells of it
			}
		})
	}
}

// what is left of a lab.
func what(l *Lab) string {
	for _, pid := range l.Children {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return "a process"
		}
	}
	if _, err := os.Stat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		return l.Dir
	}
	return ""
}
