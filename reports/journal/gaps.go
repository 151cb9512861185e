package journal

import "time"

// A Gap is a stretch in which a probe's looks failed, and none succeeded.
type Gap struct {
	From  time.Duration `json:"from_ns"` // when the first of them failed
	To    time.Duration `json:"to_ns"`   // when there was a reading again; in an open gap when the last failed
	Open  bool          `json:"open,omitempty"`
	Looks int64         `json:"looks"`
	Text  string        `json:"text"` // what the last of them said
}

// Gaps finds the gaps in a probe's readings, which are in order of time. A
// single look that failed leaves no gap: it says nothing of how long.
func Gaps(readings []Event) []Gap {
	var all []Gap
	var now *Gap
	end := func() {
		if now != nil && now.Looks > 1 {
			all = append(all, *now)
		}
		now = nil
	}
	for i := range readings {
		e := &readings[i]
		if e.Kind != ProbeFailed {
			if now != nil {
				now.To, now.Open = e.At, false
			}
			end()
			continue
		}
		if now == nil {
			now = &Gap{From: e.At, Open: true}
		}
		now.To, now.Text = e.At, e.Text
		now.Looks++
	}
	end()
	return all
}
