package truth

import "time"

// A departure is an answer that falls due. The generation tells whether the
// connection in the slot is still the one that asked.
type departure struct {
	at               time.Duration
	slot, generation int32
}

// A dueHeap holds departures, the next one first.
type dueHeap []departure

func (h *dueHeap) push(d departure) {
	*h = append(*h, d)
	a := *h
	for i := len(a) - 1; i > 0; {
		parent := (i - 1) / 2
		if a[parent].at <= a[i].at {
			return
		}
		a[parent], a[i] = a[i], a[parent]
		i = parent
	}
}

// pop takes the next departure out of a heap that is not empty.
func (h *dueHeap) pop() departure {
	a := *h
	first, last := a[0], len(a)-1
	a[0] = a[last]
	a = a[:last]
	*h = a
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if a[child].at < a[least].at {
				least = child
			}
		}
		if least == i {
			return first
		}
		a[least], a[i] = a[i], a[least]
		i = least
	}
}
