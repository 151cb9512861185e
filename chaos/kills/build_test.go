//go:build e2e && linux

package kills

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// brunt is where the command's sources are.
const brunt = "github.com/brunt-dev/brunt/cmd/brunt"

// built is the folder that holds the binaries; main_test.go makes and removes it.
var built string

// shipped builds brunt as people get it.
var shipped = sync.OnceValues(func() (string, error) {
	exe := filepath.Join(built, "brunt")
	return exe, goBuild("-o", exe, brunt)
})

// stopping builds brunt with the killpoints in it, and with a wall clock that
// can be moved.
var stopping = sync.OnceValues(func() (string, error) {
	overlay, err := movableClock(built)
	if err != nil {
		return "", fmt.Errorf("move brunt's clock: %w", err)
	}
	exe := filepath.Join(built, "brunt-stopping")
	return exe, goBuild("-tags", "killpoints", "-overlay", overlay, "-o", exe, brunt)
})

func goBuild(args ...string) error {
	if out, err := exec.Command("go", append([]string{"build"}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("build brunt: %w\n%s", err, out)
	}
	return nil
}

// shiftVariable names a file of eight bytes: by how many seconds the wall clock
// of every brunt is off. All of them map it, so all clocks jump at once, as the
// machine's own does. Libfaketime would not do: Go asks the kernel for the
// time, and a time namespace has no wall clock of its own.
const shiftVariable = "BRUNT_KILLS_SHIFT"

const shift = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var shifted = mapShift()

func mapShift() *int64 {
	path, ok := syscall.Getenv("` + shiftVariable + `")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return new(int64)
	}
	defer syscall.Close(fd)
	mapped, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return new(int64)
	}
	return (*int64)(unsafe.Pointer(&mapped[0]))
}

func wallShift() int64 { return atomic.LoadInt64(shifted) }
`

// movableClock writes an overlay for the compiler in which time.Now adds the
// shift.
func movableClock(dir string) (string, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	library := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		return "", err
	}
	changed := bytes.Replace(source, []byte("\tmono -= startNano\n"), []byte("\tmono -= startNano\n\tsec += wallShift()\n"), 1)
	if bytes.Equal(changed, source) {
		return "", errors.New("time.Now is not what it was")
	}
	replaced := map[string]string{}
	for name, text := range map[string]string{"time.go": string(changed), "shift.go": shift} {
		replaced[filepath.Join(library, name)] = filepath.Join(dir, "overlay-"+name)
		if err := os.WriteFile(filepath.Join(dir, "overlay-"+name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
