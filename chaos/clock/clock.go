// Package clock skews the wall clock of processes that were started for it,
// and never the host's. A command started by `brunt clock-run --file FILE --
// COMMAND` (see Main) has libfaketime preloaded, which adds the offset in FILE
// to what the C library says the time is; the fault writes an offset there,
// and undo what was there before. So the skew comes and goes while the process
// runs. Monotonic clocks, by which timeouts and intervals are kept, go on
// untouched, as they do when a real clock is set.
//
// What libfaketime cannot reach: statically linked programs, most Go binaries
// among them, and programs that enter the kernel by themselves. Prepare looks
// into every process that was given the file and refuses when the library is
// not in it. Libfaketime 0.9.10, the one in Debian 12, makes clock_nanosleep
// with an absolute deadline on the monotonic clock fail with EINVAL (Python's
// time.sleep is such a call); FAKETIME_DONT_FAKE_MONOTONIC=0 in the command's
// environment avoids that, at the price of monotonic clocks that jump too.
//
// Libfaketime keeps two small files in /dev/shm for each command, and leaves
// them there when the command is killed; so it does after a command that needs
// env(1) to set it up, which of common programs only bash is.
//
// A process looks at the file when it asks for the time and a second has
// passed since it last did: both inject and undo take hold within two seconds,
// and Verify waits for that.
package clock

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "clock"

// The offset's bounds. Less than a second cannot be told from the time that a
// measurement takes; more than ten years leaves what file systems and
// certificates can express.
const (
	leastOffset = time.Second
	mostOffset  = 10 * 365 * 24 * time.Hour
)

// Config is one fault on the clock of the processes under one file.
type Config struct {
	File   string        `yaml:"file" required:"true" doc:"The timestamp file that the processes were started with: brunt clock-run --file FILE -- COMMAND." example:"/run/shop/clock"`
	Offset time.Duration `yaml:"offset" required:"true" doc:"How far their wall clock is ahead of the true time; negative for behind." min:"-87600h" max:"87600h" example:"-1h"`
}

// Validate reports a skew that nothing would notice or no clock can show.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.File == "" {
		report("file", "no file is given", "the one that the processes were started with: brunt clock-run --file FILE -- COMMAND")
	}
	switch size := max(c.Offset, -c.Offset); {
	case c.Offset == 0:
		report("offset", "the clock would be right", "give an offset such as -1h")
	case size < leastOffset:
		report("offset", fmt.Sprintf("an offset of %s cannot be told from none", c.Offset), "at least 1s")
	case size > mostOffset:
		report("offset", fmt.Sprintf("an offset of %s is more than ten years", c.Offset), "")
	}
}

// What says what the fault does: "clock 1h0m0s behind under /run/shop/clock".
func What(c Config) string {
	if c.Offset < 0 {
		return fmt.Sprintf("clock %s behind under %s", -c.Offset, c.File)
	}
	return fmt.Sprintf("clock %s ahead under %s", c.Offset, c.File)
}

// OneShot is false: every skew can be taken back.
func OneShot(Config) bool { return false }

// New makes the fault; it touches nothing.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	f, err := newFault(c, env)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func newFault(c Config, env chaos.Env) (*fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	file, err := filepath.Abs(c.File)
	if err != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, err)
	}
	return &fault{name: env.Fault, file: file, offset: c.Offset, measure: measure}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{measure: measure} }
