package proxy

import (
	"errors"
	"time"
)

const timeoutType = "timeout"

// timeout lets nothing leave, like a blackhole, and closes the connection
// Delay after it was opened or the toxic was set, whichever comes later; with
// no delay, never. What is still open when the toxic goes away goes on where
// it stopped, unless the toxic is a closing one.
type timeout struct{ blackhole }

func newTimeout(Toxic) shaper { return timeout{} }

func checkTimeout(t Toxic) error {
	if t.Delay < 0 {
		return errors.New("the delay is negative")
	}
	return nil
}

// follow makes the link obey the toxics that act on whole connections: those
// due at once strike, those with a delay get a timer, and timers of toxics
// that are gone are stopped. l.mu is held.
func (l *link) follow(set toxicSet) {
	for a, timer := range l.timers {
		if !set.has(a) {
			timer.Stop()
			delete(l.timers, a)
		}
	}
	for _, a := range set {
		if l.stopped || l.timers[a] != nil || !a.hits(l.id) {
			continue
		}
		switch {
		case a.Type == halfOpenType:
			l.halve(a)
		case a.Type == resetType && a.Delay == 0:
			a.cut.Add(1)
			l.cutLocked()
		case a.Type == resetType:
			l.timers[a] = time.AfterFunc(a.Delay, func() { l.endBy(a, l.cutLocked) })
		case a.Type == timeoutType && a.Delay > 0:
			l.timers[a] = time.AfterFunc(a.Delay, func() { l.endBy(a, l.shutLocked) })
		}
	}
}

// endBy ends the link because of a toxic, once.
func (l *link) endBy(a *active, end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || l.over {
		return
	}
	a.cut.Add(1)
	end()
}

// disarm stops all timers: the link is over.
func (l *link) disarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, timer := range l.timers {
		timer.Stop()
	}
	l.timers = nil
}
