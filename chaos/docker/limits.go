package docker

import (
	"context"
	"fmt"
	"math"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// defaultPeriod is the CPU period of engines and kernels, in µs.
	defaultPeriod = 100_000
	// unlimited is what kernels take for no memory limit: the highest they
	// can count, in whole pages. Engines have no word for lifting one.
	unlimited = math.MaxInt64 &^ (4<<10 - 1)
	// unlimitedFrom is where a limit is none any more.
	unlimitedFrom = 1 << 62
)

// limits are a container's, as far as the fault changes them; nil for those it
// leaves alone, 0 for none.
type limits struct {
	// CPUs is in billionths. Nano says that it was given so, and not as a
	// quota: engines refuse to change one into the other.
	CPUs   *int64 `json:"nano_cpus,omitempty"`
	Nano   bool   `json:"nano,omitempty"`
	Period int64  `json:"cpu_period_us,omitempty"`
	Memory *int64 `json:"memory_bytes,omitempty"`
	Swap   int64  `json:"memory_swap_bytes,omitempty"` // memory and swap together, as it was and stays
}

// limitsOf are the limits that a container has now.
func limitsOf(c container) limits {
	h := c.HostConfig
	l := limits{Nano: h.NanoCpus > 0, Period: h.CPUPeriod, Memory: &h.Memory, Swap: h.MemorySwap}
	if l.Period <= 0 {
		l.Period = defaultPeriod
	}
	cpus := max(h.NanoCpus, 0)
	if !l.Nano && h.CPUQuota > 0 {
		cpus = quotaToNano(h.CPUQuota, l.Period)
	}
	l.CPUs = &cpus
	if h.Memory < 0 || h.Memory >= unlimitedFrom {
		l.Memory = new(int64)
	}
	if l.Swap <= 0 || l.Swap >= unlimitedFrom {
		l.Swap = -1
	}
	return l
}

func quotaToNano(quota, period int64) int64 { return quota * (1e9 / 1000) / (period / 1000) }

// update is the body of a call that changes limits. Absent fields, and zeros,
// leave theirs as they are.
type update struct {
	NanoCPUs   int64 `json:"NanoCpus,omitempty"`
	CPUPeriod  int64 `json:"CpuPeriod,omitempty"`
	CPUQuota   int64 `json:"CpuQuota,omitempty"`
	Memory     int64 `json:"Memory,omitempty"`
	MemorySwap int64 `json:"MemorySwap,omitempty"`
}

// update says how to set the limits.
func (l limits) update() update {
	var u update
	switch {
	case l.CPUs == nil:
	case l.Nano:
		u.NanoCPUs = *l.CPUs
	case *l.CPUs == 0:
		u.CPUQuota = -1
	default:
		u.CPUPeriod, u.CPUQuota = l.Period, *l.CPUs*(l.Period/1000)/(1e9/1000)
	}
	if l.Memory != nil {
		u.Memory, u.MemorySwap = *l.Memory, l.Swap
		if u.Memory == 0 {
			u.Memory = unlimited
		}
	}
	return u
}

// sum is a limit for people.
func sum(n *int64, unit func(int64) string) string {
	if n == nil || *n == 0 {
		return "none"
	}
	return unit(*n)
}

func cpus(nano int64) string { return fmt.Sprintf("%.4g CPUs", float64(nano)/1e9) }

func (l limits) String() string {
	text := ""
	if l.CPUs != nil {
		text = "CPU limit " + sum(l.CPUs, cpus)
	}
	if l.Memory != nil {
		if text != "" {
			text += ", "
		}
		text += "memory limit " + sum(l.Memory, bytes)
	}
	return text
}

// same says whether two limits are one; a limit that is not looked at is.
func same(a, b *int64) bool { return a == nil || b == nil || *a == *b }

func (l limits) same(other limits) bool {
	return same(l.CPUs, other.CPUs) && same(l.Memory, other.Memory)
}

// limitAction lowers a container's limits.
var limitAction = action{
	prepare: func(config Config, c container, i *image) error {
		now := limitsOf(c)
		before, set := limits{}, limits{}
		if config.CPUs > 0 {
			before.CPUs, before.Nano, before.Period = now.CPUs, now.Nano, now.Period
			wanted := int64(math.Round(config.CPUs * 1e9))
			if !now.Nano {
				// A quota has whole microseconds.
				if now.Period < 1000 {
					return fmt.Errorf("%s has a CPU period of %dµs, which no kernel accepts", c, now.Period)
				}
				wanted = quotaToNano(max(1000, wanted*(now.Period/1000)/(1e9/1000)), now.Period)
			}
			set.CPUs, set.Nano, set.Period = &wanted, now.Nano, now.Period
			if *now.CPUs != 0 && wanted >= *now.CPUs {
				return fmt.Errorf("%s has a limit of %s already, so %s would change nothing", c, cpus(*now.CPUs), cpus(wanted))
			}
		}
		if config.Memory > 0 {
			wanted := config.Memory
			before.Memory, before.Swap = now.Memory, now.Swap
			set.Memory, set.Swap = &wanted, now.Swap
			if *now.Memory != 0 && wanted >= *now.Memory {
				return fmt.Errorf("%s has a limit of %s already, so %s would change nothing", c, bytes(*now.Memory), bytes(wanted))
			}
		}
		i.Before, i.Set = &before, &set
		return nil
	},
	inject: func(ctx context.Context, e engine, i image) error {
		return e.do(ctx, i.ID, "update", i.Set.update())
	},
	undo: func(ctx context.Context, e engine, c container, i image) error {
		now := limitsOf(c)
		restore, foreign := *i.Before, false
		// What is as before needs nothing, what is ours is restored, and the
		// rest is somebody else's.
		if i.Set.CPUs != nil && !same(now.CPUs, i.Set.CPUs) {
			restore.CPUs, foreign = nil, foreign || !same(now.CPUs, i.Before.CPUs)
		}
		if i.Set.Memory != nil && !same(now.Memory, i.Set.Memory) {
			restore.Memory, foreign = nil, foreign || !same(now.Memory, i.Before.Memory)
		}
		if restore.CPUs != nil || restore.Memory != nil {
			if err := e.do(ctx, i.ID, "update", restore.update()); err != nil {
				return err
			}
		}
		if foreign {
			return &chaos.ConflictError{Target: i.String(), Want: i.Set.String(), Found: now.String()}
		}
		return nil
	},
	look: func(_ context.Context, _ engine, c container, i image) (chaos.State, string, error) {
		now := limitsOf(c)
		switch {
		case i.Set.same(now):
			return chaos.Active, "", nil
		case i.Before.same(now):
			return chaos.Gone, "", nil
		default:
			return chaos.Conflict, now.String(), nil
		}
	},
	kernel: func(c container, i image) (active, known bool) { return limited(c.ID, c.State.Pid, *i.Set) },
	absent: chaos.Gone,
}
