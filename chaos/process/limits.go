package process

import (
	"fmt"
	"strings"
)

// limits are what the action limit sets; zero leaves a thing alone. Each
// process gets them for itself.
type limits struct {
	CPUs   float64 `json:"cpus,omitempty"`
	Memory int64   `json:"memory_bytes,omitempty"`
	Files  uint64  `json:"files,omitempty"` // soft limit of open files
	Nice   int     `json:"nice,omitempty"`
}

func (l limits) none() bool { return l == limits{} }

// parts are the names of what is limited.
func (l limits) parts() []string {
	var names []string
	for _, p := range []struct {
		name string
		set  bool
	}{{"cpus", l.CPUs > 0}, {"memory", l.Memory > 0}, {"files", l.Files > 0}, {"nice", l.Nice != 0}} {
		if p.set {
			names = append(names, p.name)
		}
	}
	return names
}

// String is "0.2 CPUs and 64MiB of memory".
func (l limits) String() string {
	var parts []string
	if l.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%.4g CPUs", l.CPUs))
	}
	if l.Memory > 0 {
		parts = append(parts, amount(l.Memory)+" of memory")
	}
	if l.Files > 0 {
		parts = append(parts, fmt.Sprintf("%d open files", l.Files))
	}
	if l.Nice != 0 {
		parts = append(parts, fmt.Sprintf("nice %d", l.Nice))
	}
	return strings.Join(parts, " and ")
}

// amount writes an amount of memory for people.
func amount(n int64) string {
	switch {
	case n%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// An image is one process as it was before it was limited.
type image struct {
	Moves []move      `json:"moves,omitempty"` // of CPU time and memory
	Nice  map[int]int `json:"nice,omitempty"`  // by thread
	Files *fileLimit  `json:"files,omitempty"`
}

// A fileLimit is how many files a process may have open.
type fileLimit struct {
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// A setting is one file of a control group and what the fault writes there.
type setting struct {
	File  string `json:"file"`
	Value string `json:"value"`
}

// A move is one process taken from one control group into another that the
// fault makes for it, so that the limit is its own and nobody else's.
type move struct {
	Controllers []string  `json:"controllers"`
	From        string    `json:"from"` // folder of the group it was in
	To          string    `json:"to"`   // folder of ours
	Settings    []setting `json:"settings"`
}
