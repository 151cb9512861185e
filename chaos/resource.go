package chaos

import "strings"

// A Claimer is a Fault that can say what it will hold before its targets are
// there to be resolved, in the same words as Receipt.Resources. It lets two
// faults on one thing be refused before anything is started.
type Claimer interface{ Claims() []string }

// Held is what the fault holds while it is there: its Resources, or else its
// targets, each a resource of the receipt's kind.
func (r Receipt) Held() []string {
	if len(r.Resources) > 0 {
		return r.Resources
	}
	held := make([]string, len(r.Targets))
	for i, target := range r.Targets {
		held[i] = r.Kind + "/" + target
	}
	return held
}

// Overlap finds a resource that two faults would both hold: one that is named
// by both, or a part of which the other names. The answer is the smaller of the
// two. Parts are separated by slashes: process/4711 holds process/4711/nice too,
// and process/4711/files does not.
func Overlap(a, b []string) (resource string, both bool) {
	for _, x := range a {
		for _, y := range b {
			switch {
			case x == y || strings.HasPrefix(x, y+"/"):
				return x, true
			case strings.HasPrefix(y, x+"/"):
				return y, true
			}
		}
	}
	return "", false
}
