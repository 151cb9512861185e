//go:build linux

package lane

import (
	"slices"
	"testing"
	"time"
)

// Whatever order they come in, those that run out of time first are first.
func TestListIsInOrder(t *testing.T) {
	var l list
	conns := map[time.Duration]*conn{}
	for _, started := range []time.Duration{3, 5, 7, 4, 1, 9, 8} {
		conns[started] = &conn{started: started}
		l.push(conns[started])
	}
	for _, gone := range []time.Duration{5, 1, 9} {
		l.remove(conns[gone])
	}
	var forth, back []time.Duration
	for c := l.first; c != nil; c = c.next {
		forth = append(forth, c.started)
	}
	for c := l.last; c != nil; c = c.prev {
		back = append(back, c.started)
	}
	slices.Reverse(back)
	if want := []time.Duration{3, 4, 7, 8}; !slices.Equal(forth, want) || !slices.Equal(back, want) {
		t.Errorf("forward %v, backward %v, want %v", forth, back, want)
	}
}
