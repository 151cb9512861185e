//go:build linux

package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// bruntVariable makes the test binary a brunt that injects in the folder
// named, with an inject command that never ends, and waits to be killed.
const bruntVariable = "BRUNT_EXEC_TEST_BRUNT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(bruntVariable); dir != "" {
		fmt.Println(brunt(dir))
	}
	chaostest.Main(m, Kind, Mend)
}

// sh is a command of a shell's script.
func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// flag is a fault that makes a file.
func flag(dir string) Config {
	return Config{
		Inject: sh("echo on > flag"),
		Undo:   sh("rm -f flag"),
		Verify: sh("test -e flag"),
		Dir:    dir,
	}
}

func newFault(t *testing.T, c Config) chaos.Fault {
	t.Helper()
	fault, err := New(c, chaos.Env{Fault: "flag"})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

// look lists a folder.
func look(dir string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(*Config)
		spoil      func(t *testing.T, dir string)
		oneProcess bool
	}{
		{name: "a flag", change: func(*Config) {}},
		{name: "one-shot", oneProcess: true, change: func(c *Config) { c.Undo, c.OneShot = nil, true }},
		{
			// The fault is a process in the background, which undo finds by itself.
			name: "a process", oneProcess: true,
			change: func(c *Config) {
				c.Inject = sh("sleep 60 >/dev/null 2>&1 & echo $! > flag")
				c.Undo = sh("[ ! -e flag ] || { kill $(cat flag); rm flag; }")
				c.Verify = sh("[ -e flag ] && kill -0 $(cat flag)")
			},
		},
		{
			// Inject does half of its work and fails.
			name: "half-way", oneProcess: true,
			change: func(c *Config) { c.Inject = sh("echo on > flag && test ! -e ../spoiled") },
			spoil: func(t *testing.T, dir string) {
				if err := os.WriteFile(filepath.Join(dir, "../spoiled"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: Kind, Mend: Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					dir := filepath.Join(t.TempDir(), "x")
					if err := os.Mkdir(dir, 0o755); err != nil {
						t.Fatal(err)
					}
					config := flag(dir)
					test.change(&config)
					if OneShot(config) != config.OneShot {
						t.Error("OneShot does not say so")
					}
					target := chaostest.Target{Fault: newFault(t, config), Look: look(dir)}
					if test.spoil != nil {
						target.Spoil = func(t *testing.T) { test.spoil(t, dir) }
					}
					return target
				},
			})
		})
	}
}

func prepared(t *testing.T, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// The value of a variable reaches the command, and neither the receipt nor a
// message.
func TestSecrets(t *testing.T) {
	const secret = "s3cr3t t0ken"
	t.Setenv("FLAG_TOKEN", secret)
	t.Setenv("OTHER", "not passed on")
	dir := t.TempDir()
	config := flag(dir)
	config.Env = []string{"FLAG_TOKEN"}
	config.Inject = sh(`printf %s "$FLAG_TOKEN$OTHER|$BRUNT_FAULT|$BRUNT_STEP|$BRUNT_FAULT_ID" > flag`)
	config.Undo = sh(`echo "cannot: $FLAG_TOKEN"; exit 3`)
	fault := newFault(t, config)
	receipt := prepared(t, fault)
	text, err := json.Marshal(receipt)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) || !strings.Contains(string(text), "FLAG_TOKEN") {
		t.Errorf("the receipt is %s", text)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "flag"))
	if want := secret + "|flag|inject|" + receipt.ID; err != nil || string(got) != want {
		t.Errorf("the command saw %q, %v; want %q", got, err, want)
	}
	err = Mend().Undo(t.Context(), receipt)
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "cannot: ${FLAG_TOKEN}") {
		t.Errorf("undo: %v", err)
	}

	// In another shell the variable may be missing.
	if err := os.Unsetenv("FLAG_TOKEN"); err != nil {
		t.Fatal(err)
	}
	if _, err := Mend().Verify(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "FLAG_TOKEN") {
		t.Errorf("verify: %v; want an error that names the variable", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Setenv("SHOP_PASSWORD", "correct horse")
	t.Setenv("SETTING", "a value of no secrecy")
	dir := t.TempDir()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a program that is not there":       {func(c *Config) { c.Undo = []string{"no-such-program"} }, "undo: find program"},
		"a program that is not in dir":      {func(c *Config) { c.Verify = []string{"./check"} }, "verify: find program"},
		"a folder that is not there":        {func(c *Config) { c.Dir = dir + "/none" }, "no such file"},
		"a variable that is not set":        {func(c *Config) { c.Env = []string{"NO_SUCH_VARIABLE"} }, "NO_SUCH_VARIABLE"},
		"a secret in an argument":           {func(c *Config) { c.Undo = sh("login 'correct horse'") }, "SHOP_PASSWORD"},
		"a variable's value in an argument": {func(c *Config) { c.Env, c.Undo = []string{"SETTING"}, sh("x=a value of no secrecy") }, "SETTING"},
		"in effect already":                 {func(c *Config) { c.Verify = sh("true") }, "not to be in effect"},
		"a verify that cannot tell":         {func(c *Config) { c.Verify = sh("echo no idea; exit 2") }, "exited with 2, which is neither 0 (in effect) nor 1 (not in effect); it said: no idea"},
		"a verify that is killed":           {func(c *Config) { c.Verify = sh("kill -TERM $$") }, "terminated"},
		"a verify that hangs":               {func(c *Config) { c.Verify, c.Timeout = sh("sleep 60"), 50*time.Millisecond }, "took too long"},
	} {
		config := flag(dir)
		test.change(&config)
		_, err := newFault(t, config).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "correct horse") {
			t.Errorf("%s: the secret is in %q", name, err)
		}
	}
	if got := look(dir)(t); got != "" {
		t.Errorf("the folder holds %q", got)
	}
}

// A command that takes too long is killed with everything it has started.
func TestTimeoutKillsGroup(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	config := flag(dir)
	config.Inject = sh("sleep 60 & echo $! > pid; wait")
	config.Timeout = 300 * time.Millisecond
	fault := newFault(t, config)
	receipt := prepared(t, fault)
	if err := fault.Inject(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("inject: %v", err)
	}
	gone(t, pid)
}

// gone waits until the process whose id a file holds has ended.
func gone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s is still there", text)
		}
	}
}

// brunt is the other process: its inject command says when it runs, and hangs.
func brunt(dir string) string {
	config := flag(dir)
	config.Inject = sh("echo $$ > pid.new && mv pid.new pid; while [ ! -e late ]; do read x < fifo; done; echo on > flag")
	config.Timeout = 30 * time.Second
	fault, err := New(config, chaos.Env{Fault: "orphan"})
	if err != nil {
		return err.Error()
	}
	receipts, err := chaos.OpenReceipts(dir)
	if err != nil {
		return err.Error()
	}
	receipt, err := fault.Prepare(context.Background())
	if err == nil {
		err = receipts.Made(receipt)
	}
	if err == nil {
		err = chaos.InjectOne(context.Background(), receipts, fault, receipt)
	}
	return fmt.Sprint("inject returned: ", err)
}

// brunt is killed while its inject command runs. An undo first ends the
// command, so that it cannot finish afterwards.
func TestUndoEndsOrphanedInject(t *testing.T) {
	dir := t.TempDir()
	if out, err := osexec.Command("mkfifo", filepath.Join(dir, "fifo")).CombinedOutput(); err != nil {
		t.Fatalf("mkfifo: %v\n%s", err, out)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command(exe)
	cmd.Env = append(os.Environ(), bruntVariable+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(dir, "pid")
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(pid); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the inject command has not begun")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	receipts, err := chaos.OpenReceipts(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer receipts.Close()
	mend := func(kind string) (chaos.Fault, bool) { return Mend(), kind == Kind }
	if err := chaos.Undo(t.Context(), receipts, mend, nil); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
}

// An undo that fails is run again; one that never works says why.
func TestUndoIsRetried(t *testing.T) {
	dir := t.TempDir()
	config := flag(dir)
	config.Undo = sh("echo x >> tries; test $(wc -l < tries) -ge 3 && rm -f flag")
	broken := newFault(t, config)
	receipt := prepared(t, broken)
	if err := broken.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if err := (&fault{pause: time.Millisecond}).Undo(t.Context(), receipt); err != nil {
		t.Errorf("undo: %v", err)
	}
	if state, err := broken.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
}

// Programs and folders are looked up once: an undo from elsewhere finds the
// same ones.
func TestPathsAreKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "undo.sh"), []byte("#!/bin/sh\nrm -f flag\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := flag(dir)
	config.Undo = []string{"./undo.sh"}
	receipt := prepared(t, newFault(t, config))
	if err := Mend().Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	t.Setenv("PATH", "/nowhere")
	if err := Mend().Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if got := look(dir)(t); got != "undo.sh" {
		t.Errorf("undo left %q", got)
	}
}

// A command that floods its output is neither kept whole nor held up.
func TestOutputIsBounded(t *testing.T) {
	config := flag(t.TempDir())
	config.Inject = sh("i=0; while [ $i -lt 3000 ]; do echo line $i of many; i=$((i+1)); done; echo the end; exit 1")
	fault := newFault(t, config)
	err := fault.Inject(t.Context(), prepared(t, fault))
	if err == nil || !strings.HasSuffix(err.Error(), "the end") || len(err.Error()) > 5<<10 {
		t.Errorf("inject: an error of %d bytes: %.200v", len(err.Error()), err)
	}
}

// What inject leaves running with its output open does not hold brunt up.
func TestBackgroundHoldsOutput(t *testing.T) {
	dir := t.TempDir()
	config := flag(dir)
	config.Inject = sh("sleep 60 & echo $! > flag")
	config.Undo = sh("[ ! -e flag ] || kill $(cat flag); rm -f flag")
	fault := newFault(t, config)
	receipt := prepared(t, fault)
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
}

func TestInjectIsNotRunTwice(t *testing.T) {
	dir := t.TempDir()
	config := flag(dir)
	config.Inject = sh("echo x >> tries; exit 1")
	fault := newFault(t, config)
	receipt := prepared(t, fault)
	if err := fault.Inject(t.Context(), receipt); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("inject: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "tries")); string(text) != "x\n" {
		t.Errorf("tried %q, %v", text, err)
	}
}
