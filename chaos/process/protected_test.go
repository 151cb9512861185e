//go:build linux

package process_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/process"
)

// What the machine, brunt or the scenario's owner cannot do without is not
// touched, by whatever way it is found.
func TestProtected(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The kernel names a process after the file that it was started from.
	called := func(name string) string {
		link := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(exe, link); err != nil {
			t.Fatal(err)
		}
		return link
	}
	plain := start(t)
	database := startAs(t, called("postgres"), nil)
	for name, test := range map[string]struct {
		target  process.Target
		stack   map[string]string
		protect chaos.Protection
		want    string // part of the error; empty: it may be touched
	}{
		"what people log in by":        {target: process.Target{Pid: startAs(t, called("sshd-session"), nil).pid}, want: "keeps the machine going"},
		"brunt's own reaper":           {target: process.Target{Pid: startAs(t, exe, []string{"reaper"}).pid}, want: "brunt reaper"},
		"brunt's own proxies":          {target: process.Target{PidFile: startAs(t, exe, []string{"proxy", "x"}).pidFile(t)}, want: "brunt proxy"},
		"the example's own processes":  {target: process.Target{Pid: startAs(t, exe, []string{"shop", "replica"}).pid}},
		"a program by its name":        {target: process.Target{Pid: database.pid}, protect: chaos.Protection{"redis", "post*"}, want: `safety.protect has "post*"`},
		"a process of the stack":       {target: process.Target{Name: "db"}, stack: map[string]string{"db": plain.pidFile(t)}, protect: chaos.Protection{"db"}, want: `safety.protect has "db"`},
		"the same by another way":      {target: process.Target{Pid: plain.pid}, stack: map[string]string{"db": plain.pidFile(t)}, protect: chaos.Protection{"db"}, want: `safety.protect has "db"`},
		"what is not among them":       {target: process.Target{Pid: database.pid}, protect: chaos.Protection{"redis", "db"}},
		"a program not brunt's, alike": {target: process.Target{Pid: startAs(t, called("login2"), []string{"x"}).pid}},
	} {
		_, err := make1(t, process.Config{Pause: &test.target}, chaos.Env{Processes: test.stack, Protect: test.protect}).Prepare(t.Context())
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
		if strings.Contains(test.want, "safety.protect") && !errors.Is(err, chaos.ErrProtected) {
			t.Errorf("%s: %v is no ErrProtected", name, err)
		}
	}
}
