package journal

import (
	"fmt"
	"math"
)

// writable returns e as it can be written and read back: JSON has no number
// for infinity or for what is not one. A reading that is neither measured
// nothing, and so is a failed look. The live journal sees the same event as
// the one on disk.
func writable(e Event) Event {
	if e.Value != nil && (math.IsNaN(*e.Value) || math.IsInf(*e.Value, 0)) {
		if e.Kind == ProbeReading {
			e.Kind = ProbeFailed
		}
		text := fmt.Sprintf("the reading was %v", *e.Value)
		if e.Text != "" {
			text += ": " + e.Text
		}
		e.Text, e.Value = text, nil
	}
	return e
}
