package clock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// What the test binary is when it is not the tests: a target that maps the
// file it is told to, clock-run itself, or something that says what its
// monotonic clock is.
const (
	childVariable = "BRUNT_CLOCK_TEST_CHILD"
	realVariable  = "BRUNT_CLOCK_TEST_REAL"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	if path := os.Getenv(childVariable); path != "" {
		if err := target(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Under the race detector, each child would sleep for a second at its end.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	mend := fakeMend
	if os.Getenv(realVariable) != "" {
		mend = Mend
	}
	chaostest.Main(m, Kind, mend)
}

// target maps a file, as the dynamic loader maps a library, and waits until its
// input ends.
func target(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	mapped, err := syscall.Mmap(int(f.Fd()), 0, 1, syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	fmt.Println("up")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return errors.Join(syscall.Munmap(mapped), f.Close())
}

// fakeMeasure is a fake of the measurement: it believes the file. The tests
// with the tag e2e use libfaketime itself.
func fakeMeasure(ctx context.Context, library, path string) (measurement, error) {
	if !strings.HasPrefix(filepath.Base(library), "libfaketime") {
		return measurement{}, fmt.Errorf("%s is no libfaketime", library)
	}
	f, err := readFile(path)
	if err != nil {
		return measurement{}, err
	}
	offset, err := parseOffset(f.text)
	return measurement{offset: offset, uncertainty: time.Millisecond}, errors.Join(err, ctx.Err())
}

func fakeMend() chaos.Fault { return &fault{measure: fakeMeasure} }

func fakeFault(t testing.TB, path string, offset time.Duration) *fault {
	t.Helper()
	f, err := newFault(Config{File: path, Offset: offset}, chaos.Env{Fault: "skew"})
	if err != nil {
		t.Fatal(err)
	}
	f.measure = fakeMeasure
	return f
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// timestampFile makes one as clock-run does.
func timestampFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clock")
	if err := os.WriteFile(path, []byte(noOffset), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts a real process under the file, which maps a file of the given
// name.
func start(t testing.TB, path, library string, variables ...string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mapped := filepath.Join(t.TempDir(), library)
	if err := os.WriteFile(mapped, make([]byte, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(append(os.Environ(), childVariable+"="+mapped, fileVariable+"="+path), variables...)
	begin(t, cmd)
}

// begin starts a command that says a line when it is up and ends with its
// input; both ends are returned.
func begin(t testing.TB, cmd *exec.Cmd) (io.Writer, *bufio.Reader) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); line != "up\n" {
		t.Fatalf("the target says %q, %v", line, err)
	}
	return stdin, lines
}
