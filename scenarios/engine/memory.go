package engine

import "runtime/debug"

// A memoryPace has the garbage collector run sooner while there are many
// sessions: then they are most of what the process holds, nearly all of it is in
// use, and Go's default of letting the heap double would double what a session
// takes. With few sessions it stays out of the way, as collecting costs
// processor time. It is the only one in the process that sets the pace, which
// is for the whole of it.
type memoryPace struct {
	usual  int // percent, as it was before
	sooner bool
}

const (
	fewSessions  = 1000 // up to here the pace is the usual one again
	manySessions = 2000 // from here on it is soonerPercent
	// soonerPercent is by how much the heap may grow before it is collected.
	soonerPercent = 25
)

// follow sets the pace for so many open sessions.
func (p *memoryPace) follow(sessions int64) {
	switch {
	case !p.sooner && sessions >= manySessions:
		p.sooner, p.usual = true, debug.SetGCPercent(soonerPercent)
		if p.usual < soonerPercent {
			debug.SetGCPercent(p.usual) // somebody asked for sooner yet, or for never (GOGC)
		}
	case p.sooner && sessions <= fewSessions:
		p.restore()
	}
}

// restore sets the usual pace.
func (p *memoryPace) restore() {
	if p.sooner {
		p.sooner = false
		debug.SetGCPercent(p.usual)
	}
}
