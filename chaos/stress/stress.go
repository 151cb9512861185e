// Package stress takes a machine's own resources away: processor time, memory,
// disk throughput and free disk space.
//
// The work is done by one helper process per fault: this same binary, run as
// `brunt stress …` in a session of its own, so that Ctrl-C of brunt does not
// reach it. Its command line holds the receipt's ID and its orders. That mark
// is how Undo, Verify and Owned find it, without any file or journal: ps shows
// what is going on and why, and there is no moment at which a helper runs that
// cannot be found.
//
// A helper holds on to nothing that outlives it. Memory goes with the process;
// files are unlinked right after they were made, so the kernel takes their
// space back however the helper ends. It ends
//
//   - when brunt undoes the fault, or `brunt undo` does;
//   - when its lifeline breaks: a dead brunt, however it died, leaves no stress
//     behind, at once and not only when a lease runs out;
//   - when the fault should have ended, and 10 s more, whatever became of brunt;
//   - first of all processes, should the machine run out of memory.
//
// It never takes more than its configuration says, and less where taking all
// of it would eat into a reserve: of memory and of disk space, looked at again
// and again while it fills. What the Go runtime needs, some MiB and about a
// hundredth of a core, comes on top.
//
// Verify asks the kernel, not the helper: the processor time of its threads,
// its resident memory, the bytes it had written to a disk, the blocks its
// files occupy. It works on Linux; elsewhere Prepare refuses.
package stress

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// Kind is the name of this kind in scenarios and receipts.
	Kind = "stress"
	// Command is the name of the hidden command that runs Main.
	Command = "stress"
)

const (
	// expiryMargin is how much later than the fault's planned end the helper
	// ends by itself.
	expiryMargin = 10 * time.Second
	// longestExpiry is the expiry of a fault that lasts until the run ends.
	longestExpiry = 24 * time.Hour
	// defaultReserve is what is left free where the configuration does not say.
	defaultReserve = 512 << 20
	// mostIOWorkers bounds the writers of one fault.
	mostIOWorkers = 16
	// defaultIOSize is the file that each writer works on.
	defaultIOSize = 64 << 20
	// defaultLoad is the share of a core that each worker takes.
	defaultLoad = 0.8
	// leastLoad is the smallest share of a core that can be told from none.
	leastLoad = 0.01
)

// Config is one fault on the resources of this machine: at least one part.
type Config struct {
	CPU    *CPU      `yaml:"cpu" doc:"Keep processor cores busy." example:"{ workers: 2, load: 80% }"`
	Memory *Memory   `yaml:"memory" doc:"Occupy memory, and keep it in use." example:"{ size: 256MiB }"`
	IO     *IO       `yaml:"io" doc:"Write to a disk and read back, as fast as it goes." example:"{ dir: /var/lib/app, workers: 2 }"`
	Fill   *DiskFill `yaml:"disk_fill" doc:"Occupy free disk space." example:"{ dir: /var/lib/app, until_free: 1GiB }"`
}

// CPU keeps cores busy.
type CPU struct {
	Workers int     `yaml:"workers" json:"workers" doc:"How many cores to keep busy; every core when not given. More than there are is refused." min:"1" example:"2"`
	Load    float64 `yaml:"load" json:"load" unit:"ratio" doc:"The share of its core that each worker takes, and never more." default:"80%" min:"1%" max:"100%"`
}

// Memory occupies memory.
type Memory struct {
	Size    int64 `yaml:"size" json:"size_bytes" unit:"bytes" required:"true" doc:"How much memory to occupy." min:"1MiB" example:"256MiB"`
	Reserve int64 `yaml:"reserve" json:"reserve_bytes" unit:"bytes" doc:"How much memory must stay available to everyone else; what would leave less is refused." default:"512MiB" min:"64MiB"`
}

// IO keeps a disk busy.
type IO struct {
	Dir     string `yaml:"dir" json:"dir" required:"true" doc:"A folder on the disk." example:"/var/lib/app"`
	Size    int64  `yaml:"size" json:"size_bytes" unit:"bytes" doc:"The size of the file that each worker writes again and again." default:"64MiB" min:"1MiB"`
	Workers int    `yaml:"workers" json:"workers" doc:"How many files are written at once." default:"1" min:"1" max:"16"`
	Reserve int64  `yaml:"reserve" json:"reserve_bytes" unit:"bytes" doc:"Free space that is never touched." default:"512MiB" min:"64MiB"`
}

// DiskFill occupies free space.
type DiskFill struct {
	Dir       string `yaml:"dir" json:"dir" required:"true" doc:"A folder on the disk." example:"/var/lib/app"`
	Size      int64  `yaml:"size" json:"size_bytes" unit:"bytes" doc:"How much space to occupy." min:"1MiB" example:"10GiB"`
	UntilFree int64  `yaml:"until_free" json:"until_free_bytes" unit:"bytes" doc:"Occupy all space but this much, as it is when the fault begins." example:"1GiB"`
	Reserve   int64  `yaml:"reserve" json:"reserve_bytes" unit:"bytes" doc:"Free space that is never touched." default:"512MiB" min:"64MiB"`
}

// parts are those set, for the checks they have in common.
func (c Config) parts() int {
	n := 0
	for _, set := range []bool{c.CPU != nil, c.Memory != nil, c.IO != nil, c.Fill != nil} {
		if set {
			n++
		}
	}
	return n
}

// Validate reports a fault that would do nothing or more than is allowed.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.parts() == 0 {
		report("", "nothing is to be put under stress", "give at least one of cpu, memory, io and disk_fill")
	}
	negative := func(field string, n int64) {
		if n < 0 {
			report(field, "it is negative", "")
		}
	}
	if cpu := c.CPU; cpu != nil {
		negative("cpu.workers", int64(cpu.Workers))
		if cpu.Load != 0 && cpu.Load < leastLoad || cpu.Load > 1 {
			report("cpu.load", "it is not between 1% and 100% of a core", "workers says how many cores")
		}
	}
	if m := c.Memory; m != nil {
		negative("memory.reserve", m.Reserve)
		if m.Size <= 0 {
			report("memory.size", "it is not given", "size: 256MiB")
		}
	}
	if io := c.IO; io != nil {
		negative("io.reserve", io.Reserve)
		negative("io.workers", int64(io.Workers))
		if io.Dir == "" {
			report("io.dir", "it is not given", "a folder on the disk to be kept busy")
		}
		if io.Workers > mostIOWorkers {
			report("io.workers", fmt.Sprintf("%d are more than %d", io.Workers, mostIOWorkers), "")
		}
		if io.Size != 0 && io.Size < ioBlock {
			report("io.size", "it is less than 1MiB", "")
		}
	}
	if fill := c.Fill; fill != nil {
		negative("disk_fill.reserve", fill.Reserve)
		negative("disk_fill.size", fill.Size)
		negative("disk_fill.until_free", fill.UntilFree)
		if fill.Dir == "" {
			report("disk_fill.dir", "it is not given", "a folder on the disk to be filled")
		}
		if (fill.Size > 0) == (fill.UntilFree > 0) {
			report("disk_fill", "exactly one of size and until_free is needed", "until_free: 1GiB leaves that much free")
		}
		if reserve := orInt(fill.Reserve, defaultReserve); fill.UntilFree > 0 && fill.UntilFree < reserve {
			report("disk_fill.until_free", fmt.Sprintf("%s is less than the reserve of %s", bytes(fill.UntilFree), bytes(reserve)), "raise it, or lower reserve")
		}
	}
}

// withDefaults fills in what was not given, in copies.
func (c Config) withDefaults() Config {
	if c.CPU != nil {
		cpu := *c.CPU
		if cpu.Load == 0 {
			cpu.Load = defaultLoad
		}
		c.CPU = &cpu
	}
	if c.Memory != nil {
		m := *c.Memory
		m.Reserve = orInt(m.Reserve, defaultReserve)
		c.Memory = &m
	}
	if c.IO != nil {
		io := *c.IO
		io.Size, io.Workers, io.Reserve = orInt(io.Size, defaultIOSize), orInt(io.Workers, 1), orInt(io.Reserve, defaultReserve)
		c.IO = &io
	}
	if c.Fill != nil {
		fill := *c.Fill
		fill.Reserve = orInt(fill.Reserve, defaultReserve)
		c.Fill = &fill
	}
	return c
}

func orInt[T int | int64](n, instead T) T {
	if n == 0 {
		return instead
	}
	return n
}

// What says what the fault does: "2 cores busy at 80% and 256MiB of memory taken".
func What(c Config) string {
	c = c.withDefaults()
	var parts []string
	if cpu := c.CPU; cpu != nil {
		cores := "every core"
		if cpu.Workers == 1 {
			cores = "1 core"
		} else if cpu.Workers > 1 {
			cores = fmt.Sprintf("%d cores", cpu.Workers)
		}
		parts = append(parts, fmt.Sprintf("%s busy at %.4g%%", cores, 100*cpu.Load))
	}
	if c.Memory != nil {
		parts = append(parts, bytes(c.Memory.Size)+" of memory taken")
	}
	if c.IO != nil {
		parts = append(parts, "disk busy at "+c.IO.Dir)
	}
	if fill := c.Fill; fill != nil && fill.UntilFree > 0 {
		parts = append(parts, fmt.Sprintf("disk filled at %s until %s are free", fill.Dir, bytes(fill.UntilFree)))
	} else if fill != nil {
		parts = append(parts, fmt.Sprintf("disk filled at %s with %s", fill.Dir, bytes(fill.Size)))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " and ")
}

// bytes writes a size for people.
func bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	size := float64(n) / 1024
	for _, unit := range []string{"KiB", "MiB"} {
		if size < 1024 {
			return fmt.Sprintf("%.4g%s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.4gGiB", size)
}

// OneShot is false: everything that is taken can be given back.
func OneShot(Config) bool { return false }

// New makes the fault; it touches nothing.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	ttl := longestExpiry
	if env.For > 0 {
		ttl = env.For + expiryMargin
	}
	return &fault{name: env.Fault, config: c.withDefaults(), ttl: ttl}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }

// fault is one fault on this machine's resources; made by Mend it has receipts
// only.
type fault struct {
	name   string
	config Config
	ttl    time.Duration
	ended  <-chan struct{} // closed when the helper that Inject started has been waited for
}
