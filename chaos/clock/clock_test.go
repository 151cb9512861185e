//go:build linux

package clock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// The contract, with real processes and files and a fake of the measurement.
// TestE2E runs it with libfaketime.
func TestContract(t *testing.T) {
	for name, offset := range map[string]time.Duration{"behind": -time.Hour, "ahead": 90*time.Minute + time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: Kind, Mend: fakeMend,
				Target: func(t *testing.T) chaostest.Target {
					path := timestampFile(t)
					start(t, path, "libfaketimeMT.so.1", noCacheVariable+"=1")
					return chaostest.Target{Fault: fakeFault(t, path, offset), Look: func(t *testing.T) string {
						info, err := os.Stat(path)
						if err != nil {
							t.Fatal(err)
						}
						text, err := os.ReadFile(path)
						if err != nil {
							t.Fatal(err)
						}
						return info.Mode().String() + " " + string(text)
					}}
				},
			})
		})
	}
}

// What Prepare refuses, and says.
func TestPrepareRefuses(t *testing.T) {
	for _, test := range []struct {
		name, content, library, want string
	}{
		{"nobody under the file", noOffset, "", "no process was started with"},
		{"a static program", noOffset, "libc.so.6", "statically linked"},
		{"skewed already", "-3600\n", "libfaketimeMT.so.1", "expected no offset, found -3600.000000000s"},
		{"another form", "@2026-01-01 00:00:00\n", "libfaketimeMT.so.1", "no offset in seconds"},
		{"no timestamp file", strings.Repeat("x", maxFile+1), "libfaketimeMT.so.1", "so it is none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := timestampFile(t)
			if err := os.WriteFile(path, []byte(test.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if test.library != "" {
				start(t, path, test.library)
			}
			_, err := fakeFault(t, path, time.Hour).Prepare(bounded(t))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if text, _ := os.ReadFile(path); string(text) != test.content {
				t.Errorf("the file now has %q", text)
			}
		})
	}
	if _, err := fakeFault(t, "/nowhere/clock", time.Hour).Prepare(bounded(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

// What someone else wrote, or removed, is left as it is.
func TestConflicts(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"another offset": func(path string) error { return os.WriteFile(path, []byte("+5\n"), 0o644) },
		"nonsense":       func(path string) error { return os.WriteFile(path, []byte("later"), 0o644) },
		"removed":        os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := timestampFile(t)
			start(t, path, "libfaketime.so.1", noCacheVariable+"=1")
			f := fakeFault(t, path, time.Hour)
			receipt, err := f.Prepare(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Inject(bounded(t), receipt); err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			if state, err := f.Verify(bounded(t), receipt); state != chaos.Conflict {
				t.Errorf("verify: %q, %v", state, err)
			}
			if err := fakeMend().Undo(bounded(t), receipt); !errors.Is(err, chaos.ErrConflict) {
				t.Errorf("undo: %v", err)
			}
			if err := f.Inject(bounded(t), receipt); err == nil {
				t.Error("inject: no error")
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("the file changed from %q to %q", before, after)
			}
		})
	}
}

// Until a process has had time to look at the file, nothing is proven, neither
// way; a process that keeps what it read for an hour shows it.
func TestStale(t *testing.T) {
	path := timestampFile(t)
	start(t, path, "libfaketime.so.1", cacheVariable+"=3600")
	f := fakeFault(t, path, time.Hour)
	receipt, err := f.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); !errors.Is(err, chaos.ErrNoEvidence) {
		t.Errorf("verify at once: %q, %v", state, err)
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); state != chaos.Active {
		t.Errorf("verify later: %q, %v", state, err)
	}
	if got, err := f.Measure(bounded(t), receipt); err != nil || got != "the wall clock of 1 processes is 1h0m0s off (±1ms)" {
		t.Errorf("measure: %q, %v", got, err)
	}
	if err := f.Undo(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); err == nil {
		t.Errorf("verify right after the undo: %q", state)
	}
}

// Without a process left, a skewed file proves nothing, and a restored one
// skews nobody.
func TestTargetGone(t *testing.T) {
	path := timestampFile(t)
	f := fakeFault(t, path, time.Hour)
	var receipt chaos.Receipt
	t.Run("target", func(t *testing.T) { // it ends with this
		start(t, path, "libfaketime.so.1", noCacheVariable+"=1")
		var err error
		if receipt, err = f.Prepare(bounded(t)); err != nil {
			t.Fatal(err)
		}
	})
	if err := f.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); !errors.Is(err, chaos.ErrNoEvidence) {
		t.Errorf("verify: %q, %v", state, err)
	}
	if err := f.Undo(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); state != chaos.Gone {
		t.Errorf("verify after undo: %q, %v", state, err)
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		config Config
		what   string
		err    string // part of New's error
	}{
		{Config{File: "/c", Offset: -time.Hour}, "clock 1h0m0s behind under /c", ""},
		{Config{File: "/c", Offset: time.Second}, "clock 1s ahead under /c", ""},
		{Config{Offset: time.Second}, "clock 1s ahead under ", "file: no file"},
		{Config{File: "/c"}, "clock 0s ahead under /c", "the clock would be right"},
		{Config{File: "/c", Offset: time.Millisecond}, "clock 1ms ahead under /c", "cannot be told from none"},
		{Config{File: "/c", Offset: -200000 * time.Hour}, "clock 200000h0m0s behind under /c", "ten years"},
	} {
		_, err := New(test.config, chaos.Env{Fault: "x"})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("New(%+v): error %v, want %q", test.config, err, test.err)
		}
		if got := What(test.config); got != test.what {
			t.Errorf("What = %q, want %q", got, test.what)
		}
		if OneShot(test.config) {
			t.Errorf("OneShot(%+v)", test.config)
		}
	}
}

func TestParseOffset(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"+0":                       0,
		noOffset:                   0,
		"-3600.5\n":                -time.Hour - 500*time.Millisecond,
		"# a remark\n\n+1.000001":  time.Second + time.Microsecond,
		content(-time.Minute, "x"): -time.Minute,
	} {
		if got, err := parseOffset(text); err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "# only", "5", "+", "+x", "+1h", "+1.x", "+1.0000000001", "+1\n+2", "@2026-01-01 00:00:00", "+99999999999"} {
		if got, err := parseOffset(bad); err == nil {
			t.Errorf("%q is accepted as %s", bad, got)
		}
	}
}

func TestFindLibrary(t *testing.T) {
	file := &fstest.MapFile{}
	for want, root := range map[string]fstest.MapFS{
		"/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1": {"usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1": file, "usr/lib64/faketime/libfaketimeMT.so.1": file},
		"/usr/lib64/faketime/libfaketimeMT.so.1":                {"usr/lib64/faketime/libfaketimeMT.so.1": file},
	} {
		if got, err := findLibrary(root); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := findLibrary(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "apt-get install libfaketime") {
		t.Errorf("without it: %v", err)
	}
}

// A target keeps its own settings, but for the file's name.
func TestFaked(t *testing.T) {
	got := parseEnviron(strings.Join(faked([]string{"A=b", "LD_PRELOAD=/x.so", fileVariable + "=/old", monotonicVariable + "=0"}, "/l.so", "/f"), "\x00"))
	for name, want := range map[string]string{
		"A": "b", "LD_PRELOAD": "/l.so:/x.so", fileVariable: "/f", monotonicVariable: "0", cacheVariable: "0",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestNature(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]nature{
		"/bin/sh":                          {},
		write("script", "#!/bin/sh\n"):     {}, // as its interpreter
		write("bash", "#! /bin/bash -e\n"): {environment: true},
		write("empty-line", "#!\n"):        {}, // the kernel will say
	} {
		if got, err := natureOf(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	if _, err := natureOf(exe); err != nil { // static or not, as it was built
		t.Error(err)
	}
	for _, bad := range []string{write("text", "hello"), dir + "/none"} {
		if _, err := natureOf(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no command":   {"--file", "/c"},
		"nothing":      {"--", "true"},
		"unknown flag": {"--flie", "/c", "--", "true"},
	} {
		if err := run(args); !errors.Is(err, errUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := run([]string{"--file", "/c", "--", "no-such-command-anywhere"}); err == nil || errors.Is(err, errUsage) {
		t.Errorf("no such command: %v", err)
	}
	if err := run([]string{"--file", t.TempDir() + "/c", "--library", "/nowhere.so", "--", "true"}); err == nil || !strings.Contains(err.Error(), "find libfaketime") {
		t.Errorf("no such library: %v", err)
	}
}

func TestAtLeast(t *testing.T) {
	for release, want := range map[string]bool{"6.2": true, "6.18.44-x": true, "7.0": true, "6.1.0-13-amd64": false, "5.19": false, "x": false} {
		if atLeast(release, 6, 2) != want {
			t.Errorf("%s is not %t", release, want)
		}
	}
}

func TestMapped(t *testing.T) {
	const maps = "7f00-7f01 r--p 00000000 fe:00 1   /usr/lib/libc.so.6\n7f02-7f03 r--p 00000000 fe:00 2   /usr/lib/x/faketime/libfaketimeMT.so.1\n7f04-7f05 rw-p 00000000 00:00 0   [heap]\n"
	if got := mapped(maps); got != "/usr/lib/x/faketime/libfaketimeMT.so.1" {
		t.Errorf("%q", got)
	}
	if got := mapped("7f04-7f05 rw-p 00000000 00:00 0\n7 /usr/lib/faketime/other.so\n"); got != "" {
		t.Errorf("%q", got)
	}
}

// What is accepted as an offset is written and read back as the same.
func FuzzParseOffset(f *testing.F) {
	for _, seed := range []string{noOffset, "-3600.5", content(time.Hour, "x"), "@1", "+1\n+2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		offset, err := parseOffset(text)
		if err != nil {
			return
		}
		if again, err := parseOffset(content(offset, "x")); err != nil || again != offset {
			t.Errorf("%q is %s, and written anew %s, %v", text, offset, again, err)
		}
	})
}

// Nothing that /proc or date(1) may say upsets the parsers.
func FuzzProc(f *testing.F) {
	f.Add("A=b\x00FAKETIME_NO_CACHE=1\x00")
	f.Add("7f02-7f03 r--p 00000000 fe:00 2   /usr/lib/libfaketime.so.1 (deleted)\n")
	f.Add("1795335930.732830844")
	f.Fuzz(func(t *testing.T, text string) {
		if staleness(parseEnviron(text)) < 0 {
			t.Error("negative staleness")
		}
		if path := mapped(text); path != "" && path[0] != '/' {
			t.Errorf("library %q", path)
		}
		if at, err := parseTime(text); err == nil && at.Unix() < 0 {
			t.Errorf("%q is %s", text, at)
		}
	})
}

// A writer that was killed before it had renamed its file leaves nothing once
// the fault is undone, and other owners' files are not ours.
func TestClearAway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clock")
	for _, name := range []string{"clock", ".clock.late-1.77", ".clock.late-2.77"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(noOffset), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := clearAway(path, "late-1"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != ".clock.late-2.77 clock" {
		t.Errorf("left: %s", got)
	}
}

// A clock that was put back makes the file one from the future. That must not
// keep the undo from being proven until that time has come.
func TestClockPutBack(t *testing.T) {
	path := timestampFile(t)
	start(t, path, "libfaketime.so.1", cacheVariable+"=0")
	f := fakeFault(t, path, time.Hour)
	receipt, err := f.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if err := f.Undo(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	if state, err := f.Verify(bounded(t), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %q, %v", state, err)
	}
}
