package scaling

import (
	"slices"
	"time"
)

const (
	// grace is how long a new replica may go without requests before that says
	// anything, and enough how long it must be watched after.
	grace, enough = 5 * time.Second, 15 * time.Second
	leastServed   = 100
)

// pinning tells whether new replicas get their share; nil where that cannot be
// told.
func (a *Analysis) pinning(s *Step, fresh []*pod) *Pinning {
	if !a.ServedKnown || !a.PodsKnown {
		return nil
	}
	p := &Pinning{}
	from := s.Start
	var ready []*pod
	for _, f := range fresh {
		if end, over := f.when["deleted"]; over && end.At < s.End {
			continue // what it was not given after is not its share
		}
		if o, ok := f.when["ready"]; ok && o.At+grace+enough <= s.End {
			ready = append(ready, f)
			from = max(from, o.At+grace)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	total, ours := int64(0), int64(0)
	each := map[*pod]int64{}
	for _, name := range a.load.names {
		for _, e := range a.journal.LoadSeconds(name, ceilSecond(from)+time.Second, s.End+stampLag) {
			for who, n := range e.Load.Served {
				total += n
				if p := a.podOf(who); p != nil && slices.Contains(ready, p) {
					each[p] += n
					ours += n
				}
			}
		}
	}
	all, known := a.Ready.at(s.End - 1)
	if total < leastServed || !known || all < float64(len(ready)) {
		return nil
	}
	for _, f := range ready {
		if each[f] == 0 {
			p.Idle++
		}
	}
	p.New = int64(len(ready))
	p.Share = float64(ours) / float64(total)
	p.Fair = float64(len(ready)) / all
	p.Pinned = p.Share < p.Fair/5
	return p
}
