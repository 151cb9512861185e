package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A HeldBack says what kept loads from being played as planned: brunt's own
// side, or the target not taking more.
type HeldBack struct {
	By      string        `json:"by"`   // cpu, gc, ports, files, machine, accept_queue, sessions, unknown
	Own     bool          `json:"own"`  // it was brunt's own side
	Text    string        `json:"text"` // one sentence
	From    time.Duration `json:"from_ns"`
	To      time.Duration `json:"to_ns"`
	Seconds int64         `json:"seconds"` // how many of them it was so in

	// Limit is how many arrivals a second were sent then, on average, and
	// Trusted the highest rate at which, and below which, the run was sound.
	// Trusted is absent where no second was. Both are of all open loads.
	Limit   float64  `json:"limit_rate_per_second"`
	Trusted *float64 `json:"trusted_rate_per_second,omitempty"`
}

const (
	// nearlyAll is the share from which something counts as used up when
	// there is a sign that it was.
	nearlyAll = 0.95
	// muchGC is the share of brunt's processor time from which garbage
	// collection is what it has too little time for.
	muchGC = 0.25
	// muchSteal is the same of what the hypervisor takes.
	muchSteal = 0.10
	// manyRepeats is the share of the arrivals sent from which repeated
	// requests for a connection are more than stray losses.
	manyRepeats = 0.01
	// heldBackFor is how many seconds make more than a hiccup.
	heldBackFor = 2
)

// A playedSecond is what one second of a run shows of its load and its
// generator.
type playedSecond struct {
	at                       time.Duration
	planned, offered, sent   float64 // of the open loads
	dropped, local, timeouts int64
	unserved                 int64 // of what fell due in it: dropped, or without an answer in time
	health                   *journal.Health
}

// behind says that arrivals went out so late that the run is not the plan's.
func (s *playedSecond) behind() bool {
	return s.health != nil && s.health.DispatchLag > maxLag
}

// playedSeconds are the seconds of a run, in order.
func playedSeconds(j *journal.Journal) []*playedSecond {
	open := make(map[string]bool)
	for _, l := range j.Plan.Loads {
		open[l.Name] = l.Model == "open"
	}
	seconds := make(map[time.Duration]*playedSecond)
	second := func(at time.Duration) *playedSecond {
		at = secondOf(at)
		if seconds[at] == nil {
			seconds[at] = &playedSecond{at: at}
		}
		return seconds[at]
	}
	for _, e := range j.Events() {
		switch {
		case e.Kind == journal.HealthSecond && e.Health != nil:
			second(e.At).health = e.Health
		case e.Kind == journal.LoadSecond && e.Load != nil:
			s := second(e.At)
			s.dropped += e.Load.Dropped
			s.local += e.Load.Failed[localClass]
			s.timeouts += e.Load.Failed["timeout"]
			if open[e.Name] {
				s.planned += e.Load.Planned
				s.offered += float64(e.Load.Offered)
				s.sent += float64(e.Load.Sent)
			}
		}
	}
	for _, l := range j.Plan.Loads {
		for _, s := range j.Seconds(l.Name, "", journal.Response, 0, forever) {
			if known := seconds[s.Start]; known != nil && (s.Outcome == journal.OutcomeDropped || s.Outcome == "timeout") {
				known.unserved += s.Count
			}
		}
	}
	out := make([]*playedSecond, 0, len(seconds))
	for _, s := range seconds {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *playedSecond) int { return cmp.Compare(a.at, b.at) })
	return out
}

// A brake is what held a run back, and how to say it of the worst second.
type brake struct {
	by  string
	own bool
	say func(s *playedSecond) string
}

// brakes in the order in which they are named where several were as frequent.
var brakes = []brake{
	{"ports", true, func(s *playedSecond) string {
		return fmt.Sprintf("local ports ran out (%s of %s in use to %s)", count(int64(s.health.Ports)), count(int64(s.health.PortLimit)), s.health.PortsTo)
	}},
	{"files", true, func(s *playedSecond) string {
		return fmt.Sprintf("brunt ran out of files (%s open of the %s it may have)", count(int64(s.health.Files)), count(int64(s.health.FileLimit)))
	}},
	{"gc", true, func(s *playedSecond) string {
		return fmt.Sprintf("garbage collection held brunt back (it took %s of a core and stopped brunt for up to %s)", percent(s.health.GCCPU), duration(s.health.GCPause))
	}},
	{"cpu", true, sayCPU},
	{"machine", true, func(s *playedSecond) string {
		h := s.health
		if h.Steal >= muchSteal*float64(max(h.MachineCores, 1)) {
			return fmt.Sprintf("the hypervisor held brunt back (it took %s of the machine's %s)", significant(h.Steal), plural(int64(h.MachineCores), "core"))
		}
		return fmt.Sprintf("CPU held brunt back (everything on the machine together used %s of its %s, brunt %s of them)", significant(h.MachineCPU), plural(int64(h.MachineCores), "core"), significant(h.CPU))
	}},
	{"accept_queue", false, func(s *playedSecond) string {
		h := s.health
		if h.ListenOverflows > 0 {
			return fmt.Sprintf("the target's accept queue was full (%s connections turned away in a second)", count(h.ListenOverflows))
		}
		return fmt.Sprintf("the target's accept queue was full, or packets were lost (%s requests for a connection had to be repeated in a second)", count(h.SynRetransmits))
	}},
	{"sessions", false, func(*playedSecond) string {
		return "the target held the load back (it answered so late that every session was taken)"
	}},
	{"unknown", true, func(s *playedSecond) string {
		return fmt.Sprintf("brunt fell behind (dispatch was %s late), and nothing that it watches says why", duration(s.health.DispatchLag))
	}},
}

func sayCPU(s *playedSecond) string {
	h := s.health
	if h.CPU >= maxCPU*float64(h.Cores) {
		return fmt.Sprintf("CPU held brunt back (brunt used %s of its %s)", percent(h.CPU/float64(h.Cores)), plural(int64(h.Cores), "core"))
	}
	if h.ThreadCPU < nearlyAll {
		return fmt.Sprintf("CPU held brunt back (what was ready to run in brunt waited up to %s for its %s)", duration(h.SchedLatency), plural(int64(h.Cores), "core"))
	}
	return fmt.Sprintf("CPU held brunt back (one of brunt's threads used %s of a core, which is all it can)", percent(min(h.ThreadCPU, 1)))
}

// brakeOf names what held a second back; "" when nothing did.
func (s *playedSecond) brakeOf() string {
	h := s.health
	if h == nil {
		return ""
	}
	starved := h.Cores > 0 && h.CPU >= maxCPU*float64(h.Cores)
	switch {
	case s.local > 0 && h.PortLimit > 0 && float64(h.Ports) >= nearlyAll*float64(h.PortLimit):
		return "ports"
	case s.local > 0 && h.FileLimit > 0 && float64(h.Files) >= nearlyAll*float64(h.FileLimit):
		return "files"
	case !s.behind() && !starved:
		repeats := max(h.SynRetransmits, h.ListenOverflows)
		switch {
		case repeats > 0 && float64(repeats) >= manyRepeats*max(s.sent, 1) && s.dropped+s.timeouts > 0:
			return "accept_queue"
		case s.dropped > 0:
			return "sessions"
		}
		return ""
	case h.GCPause > maxPause && 2*h.GCPause >= h.DispatchLag, h.GCCPU >= muchGC*h.CPU && h.GCCPU > 0.1:
		return "gc"
	case starved, h.ThreadCPU >= nearlyAll:
		return "cpu"
	case h.MachineCores > 0 && h.MachineCPU+h.Steal >= nearlyAll*float64(h.MachineCores):
		return "machine"
	case 2*h.SchedLatency >= h.DispatchLag:
		return "cpu"
	}
	return "unknown"
}

// heldBack says what held the run back, if anything did for longer than a
// hiccup. Seconds in which a fault was there do not count against the target.
func heldBack(j *journal.Journal, r *Report) *HeldBack {
	seconds := playedSeconds(j)
	held := make(map[string][]*playedSecond)
	for _, s := range seconds {
		by := s.brakeOf()
		if (by == "accept_queue" || by == "sessions") && r.during(s.at, s.at+time.Second) != "" {
			continue
		}
		if by != "" {
			held[by] = append(held[by], s)
		}
	}
	var main brake
	for _, b := range brakes {
		if len(held[b.by]) > len(held[main.by]) {
			main = b
		}
	}
	n := len(held[main.by])
	if n < heldBackFor && float64(n) <= maxStrained*float64(len(seconds)) || n == 0 {
		return nil
	}
	return main.tell(held[main.by], seconds)
}

// tell sums up the seconds in which the brake was on.
func (b brake) tell(held, all []*playedSecond) *HeldBack {
	h := &HeldBack{By: b.by, Own: b.own, From: held[0].at, To: held[len(held)-1].at + time.Second, Seconds: int64(len(held))}
	sent := make([]float64, 0, len(held))
	planned := 0.0
	worst := held[0]
	for _, s := range held {
		if s.planned == 0 {
			continue // the plan is over, and what was late goes out
		}
		sent = append(sent, max(s.sent-float64(s.local), 0)) // what failed on this side went nowhere
		planned = max(planned, s.planned)
		if s.health.DispatchLag >= worst.health.DispatchLag {
			worst = s
		}
	}
	text := "from " + between(h.From, h.To) + " " + b.say(worst)
	if len(sent) > 0 {
		sum := 0.0
		for _, n := range sent {
			sum += n
		}
		h.Limit = math.Round(sum / float64(len(sent)))
		h.Trusted = trustedRate(all, b.own)
		text += h.rates(planned)
	}
	h.Text = sentence(upper(text))
	return h
}

// rates says what was sent while the brake was on, and what can be trusted.
func (h *HeldBack) rates(planned float64) string {
	text := fmt.Sprintf(": %s/s were sent of the %s/s planned", count(int64(h.Limit)), count(int64(planned)))
	switch {
	case h.Limit >= nearlyAll*planned && !h.Own:
		text = ""
	case h.Limit >= nearlyAll*planned:
		text = fmt.Sprintf("; the %s/s planned were sent all the same", count(int64(planned)))
	}
	switch {
	case h.Trusted == nil && h.Own:
		text += fmt.Sprintf("; no second was sound, so no rate is shown to be trusted: begin anew from half of that, %s/s", count(int64(h.Limit/2)))
	case h.Trusted == nil || *h.Trusted >= h.Limit && h.Limit >= nearlyAll*planned:
	case h.Own:
		text += fmt.Sprintf("; up to %s/s the run can be trusted", count(int64(*h.Trusted)))
	default:
		text += fmt.Sprintf("; it kept up with up to %s/s", count(int64(*h.Trusted)))
	}
	return text
}

// sound says that a second shows neither strain nor a load cut short; and where
// it is about the target, that all that fell due in it was answered in time.
func (s *playedSecond) sound(own bool) bool {
	h := s.health
	return h != nil && s.brakeOf() == "" && (own || s.unserved == 0) && s.dropped == 0 && s.local == 0 &&
		h.DispatchLag <= minLag && h.GCPause <= maxPause && s.sent >= nearlyAll*s.offered
}

// trustedRate is the highest rate of a sound second such that no more than one
// second in a hundred at that rate or below was not sound, or one in all; nil
// when there is none.
func trustedRate(all []*playedSecond, own bool) *float64 {
	byRate := slices.Clone(all)
	byRate = slices.DeleteFunc(byRate, func(s *playedSecond) bool { return s.planned == 0 || s.offered == 0 })
	// By what fell due, not by what was sent: a second in which little could
	// be sent is not one of a low rate.
	slices.SortStableFunc(byRate, func(a, b *playedSecond) int { return cmp.Compare(max(a.offered, a.planned), max(b.offered, b.planned)) })
	var trusted *float64
	unsound := 0
	for i, s := range byRate {
		if !s.sound(own) {
			unsound++
		}
		if float64(unsound) > max(1, maxStrained*float64(i+1)) {
			break
		}
		if s.sound(own) {
			sent := s.sent
			trusted = &sent
		}
	}
	return trusted
}
