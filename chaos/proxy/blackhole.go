package proxy

import "time"

const blackholeType = "blackhole"

// blackhole lets nothing leave. Senders see their bytes taken, up to what the
// queue and the kernel's buffers hold, and hear nothing. It holds rather than
// swallows: a stream with a hole in it would be damage that outlives the undo,
// while TCP delivers late what a healed partition kept from it.
type blackhole struct{}

func newBlackhole(Toxic) shaper { return blackhole{} }

func (blackhole) leave(piece, time.Time, *memory) time.Time { return never }
