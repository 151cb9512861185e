package reports

import (
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// What makes a second one in which the generator, and not the target, may have
// decided what was measured. Arrivals dropped because every session was busy
// are not among them: the target was slow, and they count as failed.
const (
	// minLag is the dispatch lag (p99 of the second) below which it is never
	// held against the generator. A dispatcher in good health is late by tens
	// of microseconds; 5 ms is what a busy but sound kernel does to it, and
	// less than a person or an objective can tell. Above it, lag counts from a
	// tenth of the tightest latency limit, since less cannot decide whether
	// that limit held, and from maxLag in any case, where arrivals come in
	// bunches that nobody planned.
	minLag   = 5 * time.Millisecond
	lagShare = 0.10
	maxLag   = 100 * time.Millisecond

	// maxCPU is the share of its cores that brunt may use. Work that is ready
	// then finds no core and waits, for a time that grows without bound as the
	// share nears one (the queue of an M/M/1 at 95 % is twenty times its
	// service). A tenth of a second idle in two is as close as a second's
	// average can come to that.
	maxCPU = 0.95

	// maxPause is the longest stop of the world by the garbage collector that
	// passes. Go's own aim is far below a millisecond; 20 ms is a fault in the
	// generator, and every operation in flight is seen that much late.
	maxPause = 20 * time.Millisecond

	// maxFiles is the share of the limit on open files. Past it the next
	// connections fail on our own side, and the target would be blamed.
	maxFiles = 0.95

	// maxStrained is the share of strained seconds that passes, of the judged
	// time and of the window of a finding. A p99 is decided by one operation
	// in a hundred, so strain in no more than one second in a hundred is too
	// little to have decided one by itself.
	maxStrained = 0.01

	// maxHiccups is the share of judged seconds up to which delay, by late
	// dispatch or a pause of the collector and nothing worse, does not make the generator the bottleneck of the run.
	// What is late still goes out, its response time counts from when it was
	// due, and so it can only look worse than it was: findings that held
	// stand, and those that failed by less than the delay are unknown. Past
	// half of the time the arrivals are not those of the plan any more.
	maxHiccups = 0.50

	// maxUnoffered is the share of an open load's planned arrivals that may be
	// missing at the end of a run that completed. The schedule is fixed, so
	// there is no good reason for more than one, which falls due at the very
	// end; one in a thousand is what a merged journal can lose at its seams.
	maxUnoffered = 0.001

	// localClass is the error class for failures on brunt's own side: ports,
	// files, a host that is not in the target.
	localClass = "local"
)

// Trust is how the generator itself was, and whether its measurements count.
type Trust struct {
	Bottleneck bool     `json:"bottleneck"`       // it may have decided what was measured
	Hiccup     bool     `json:"hiccup"`           // it was late at times, which can only have made results worse
	Unwatched  bool     `json:"unwatched"`        // nothing says how it was
	Problems   []string `json:"problems"`         // what was wrong, a sentence each
	Judged     int64    `json:"judged_seconds"`   // seconds of judged time that its health is known of
	Strained   int64    `json:"strained_seconds"` // those of them in which it was strained
	Worst      Worst    `json:"worst"`
	Limits     Limits   `json:"limits"`

	HeldBack *HeldBack `json:"held_back,omitempty"` // what kept the loads from being played as planned

	Loads map[string]Delivery `json:"loads"`

	strain map[time.Duration]strain // by the start of the second
}

// Worst are the worst values of any judged second.
type Worst struct {
	DispatchLag   time.Duration `json:"dispatch_lag_p99_ns"`
	DispatchLagAt time.Duration `json:"dispatch_lag_at_ns"`
	CPU           float64       `json:"cpu_ratio"` // of its cores
	Cores         int           `json:"cores"`
	MachineCPU    float64       `json:"machine_cpu_cores"` // used by everything on the machine
	Steal         float64       `json:"steal_cores"`       // taken by the hypervisor
	GCPause       time.Duration `json:"gc_pause_ns"`
	SchedLatency  time.Duration `json:"sched_latency_p99_ns"`
	Files         int           `json:"files"`
	FileLimit     int           `json:"file_limit"`
	Goroutines    int           `json:"goroutines"`
	RSS           int64         `json:"rss_bytes"`
	LocalErrors   int64         `json:"local_errors"` // in all

	ThreadCPU float64 `json:"thread_cpu_cores"` // used by brunt's busiest thread
	GCCPU     float64 `json:"gc_cpu_cores"`     // used by its garbage collector

	MachineCores int `json:"machine_cores"` // 0: nothing is known of the machine

	// Of the network namespace. Counts are of all judged seconds, -1 where they
	// are not known.
	Ports           int    `json:"ports"` // in use towards one address, where they were the most
	PortsTo         string `json:"ports_to,omitempty"`
	PortLimit       int    `json:"port_limit"`
	Retransmits     int64  `json:"retransmits"`
	SynRetransmits  int64  `json:"syn_retransmits"`
	ListenOverflows int64  `json:"listen_overflows"`
}

// Limits are what a second was held against.
type Limits struct {
	DispatchLag time.Duration `json:"dispatch_lag_p99_ns"`
	CPU         float64       `json:"cpu_ratio"`
	GCPause     time.Duration `json:"gc_pause_ns"`
	Files       float64       `json:"files_ratio"`
	Strained    float64       `json:"strained_ratio"`
	Hiccups     float64       `json:"hiccups_ratio"`
}

// A Delivery is how much of a load came to be.
type Delivery struct {
	Planned   int64    `json:"planned,omitempty"` // arrivals in the schedule of an open model
	Offered   int64    `json:"offered"`
	Sent      int64    `json:"sent"`
	SentRatio *float64 `json:"sent_ratio,omitempty"` // sent / offered
}

// strain is what was wrong with the generator in one second, or in several.
type strain struct {
	seconds int64
	delay   time.Duration // by how much it can have made things look later
	deep    bool          // there is more to it than delay can tell
	behind  int64         // seconds in which arrivals were so late that they are not those of the plan
}

// watchGenerator looks at the generator's health over the judged time.
func watchGenerator(j *journal.Journal, spans []span, r *Report) Trust {
	t := Trust{Problems: []string{}, Loads: make(map[string]Delivery), strain: make(map[time.Duration]strain)}
	t.Limits = Limits{DispatchLag: lagLimit(r.Objectives), CPU: maxCPU, GCPause: maxPause, Files: maxFiles, Strained: maxStrained, Hiccups: maxHiccups}
	var lag, cpu, pause, files, local episode
	seen := make(map[time.Duration]bool)
	for _, e := range j.Events() {
		at := secondOf(e.At)
		if !judged(spans, at) || at >= r.Run.Ended {
			continue
		}
		switch {
		case e.Kind == journal.LoadSecond && e.Load != nil && e.Load.Failed[localClass] > 0:
			t.Worst.LocalErrors += e.Load.Failed[localClass]
			local.add(at, 0)
			t.add(at, strain{deep: true})
		case e.Kind == journal.HealthSecond && e.Health != nil:
			h := e.Health
			seen[at] = true
			t.worst(h, at)
			if h.DispatchLag > t.Limits.DispatchLag {
				lag.add(at, float64(h.DispatchLag))
				s := strain{delay: h.DispatchLag}
				if h.DispatchLag > maxLag {
					s.behind = 1
				}
				t.add(at, s)
			}
			if h.GCPause > maxPause {
				pause.add(at, float64(h.GCPause))
				t.add(at, strain{delay: h.GCPause})
			}
			if h.Cores > 0 && h.CPU >= maxCPU*float64(h.Cores) {
				cpu.add(at, h.CPU/float64(h.Cores))
				t.add(at, strain{deep: true})
			}
			if h.FileLimit > 0 && float64(h.Files) >= maxFiles*float64(h.FileLimit) {
				files.add(at, float64(h.Files))
				t.add(at, strain{deep: true})
			}
		}
	}
	t.Judged, t.Strained = int64(len(seen)), int64(len(t.strain))
	if s := t.over(0, forever); s.tooMuch(float64(t.Judged)) {
		t.Hiccup = s.hiccup(float64(t.Judged))
		t.Bottleneck = !t.Hiccup
	}
	t.Unwatched = t.Judged == 0 && r.Run.Judged >= time.Second

	say := func(format string, args ...any) {
		t.Problems = append(t.Problems, sentence(fmt.Sprintf(format, args...)))
	}
	if t.Unwatched {
		say("nothing is recorded of the generator's own health, so nothing says that it was not the bottleneck")
	}
	if t.HeldBack = heldBack(j, r); t.HeldBack != nil && t.HeldBack.Own {
		say("%s", t.HeldBack.Text)
	}
	if lag.n > 0 {
		excuse := ""
		if t.Hiccup {
			excuse = "; a hiccup: response times count from when operations were due, so it can only have made them look worse"
		}
		say("arrivals were dispatched up to %s late (p99 of a second), more than the %s allowed, %s%s", duration(time.Duration(lag.worst)), duration(t.Limits.DispatchLag), lag.when(), excuse)
	}
	if cpu.n > 0 {
		say("brunt used up to %s of its cores, more than the %s allowed, %s", percent(cpu.worst), percent(maxCPU), cpu.when())
	}
	if pause.n > 0 {
		say("garbage collection stopped brunt for up to %s, more than the %s allowed, %s", duration(time.Duration(pause.worst)), duration(maxPause), pause.when())
	}
	if files.n > 0 {
		say("brunt had up to %s files open of the %s it may have, more than the %s allowed, %s", count(int64(files.worst)), count(int64(t.Worst.FileLimit)), percent(maxFiles), files.when())
	}
	if local.n > 0 {
		say("%s failed on brunt's own side (class local) %s", plural(t.Worst.LocalErrors, "operation"), local.when())
	}
	t.deliver(r, say)
	return t
}

// deliver compares what was offered with the plan.
func (t *Trust) deliver(r *Report, say func(string, ...any)) {
	for _, name := range r.loads {
		l := r.Loads[name]
		t.Loads[name] = Delivery{Planned: l.Planned, Offered: l.Offered, Sent: l.Sent, SentRatio: ratio(l.Sent, l.Offered)}
		missing := l.Planned - l.Offered
		if r.Run.State == completed && l.Model == "open" && missing > 1 && float64(missing) > maxUnoffered*float64(l.Planned) {
			t.Bottleneck = true
			say("of the %s of %s that were planned only %s were offered", plural(l.Planned, "arrival"), name, count(l.Offered))
		}
	}
}

func (t *Trust) add(at time.Duration, s strain) {
	old := t.strain[at]
	t.strain[at] = strain{seconds: 1, delay: old.delay + s.delay, deep: old.deep || s.deep, behind: max(old.behind, s.behind)}
}

func (t *Trust) worst(h *journal.Health, at time.Duration) {
	w := &t.Worst
	if h.DispatchLag > w.DispatchLag {
		w.DispatchLag, w.DispatchLagAt = h.DispatchLag, at
	}
	if h.Cores > 0 {
		w.CPU = max(w.CPU, roundTo(h.CPU/float64(h.Cores), 4))
	}
	if h.FileLimit > 0 && int64(h.Files)*int64(max(w.FileLimit, 1)) >= int64(w.Files)*int64(h.FileLimit) {
		w.Files, w.FileLimit = h.Files, h.FileLimit
	}
	if h.Files < 0 && w.FileLimit == 0 {
		w.Files = -1
	}
	w.Cores = max(w.Cores, h.Cores)
	w.MachineCPU = max(w.MachineCPU, roundTo(h.MachineCPU, 3))
	w.Steal = max(w.Steal, roundTo(h.Steal, 3))
	w.GCPause = max(w.GCPause, h.GCPause)
	w.SchedLatency = max(w.SchedLatency, h.SchedLatency)
	w.Goroutines = max(w.Goroutines, h.Goroutines)
	w.RSS = max(w.RSS, h.RSS)
	w.ThreadCPU = max(w.ThreadCPU, roundTo(h.ThreadCPU, 3))
	w.GCCPU = max(w.GCCPU, roundTo(h.GCCPU, 3))
	if h.Ports >= w.Ports {
		w.Ports, w.PortsTo = h.Ports, h.PortsTo
	}
	w.PortLimit = max(w.PortLimit, h.PortLimit)
	w.MachineCores = max(w.MachineCores, h.MachineCores)
	w.Retransmits = addKnown(w.Retransmits, h.Retransmits)
	w.SynRetransmits = addKnown(w.SynRetransmits, h.SynRetransmits)
	w.ListenOverflows = addKnown(w.ListenOverflows, h.ListenOverflows)
}

// addKnown adds a second's count to a sum, which is -1 when one is not known.
func addKnown(sum, n int64) int64 {
	if sum < 0 || n < 0 {
		return -1
	}
	return sum + n
}

// over sums up the strain in a window; the delay is the longest.
func (t *Trust) over(from, to time.Duration) (sum strain) {
	for at, s := range t.strain {
		if at < to && at+time.Second > from {
			sum.seconds++
			sum.behind += s.behind
			sum.delay = max(sum.delay, s.delay)
			sum.deep = sum.deep || s.deep
		}
	}
	return sum
}

// tooMuch reports whether the strain is more than passes in a window of that
// many seconds.
func (s strain) tooMuch(window float64) bool {
	return s.seconds > 0 && float64(s.seconds) > maxStrained*window
}

// hiccup reports whether the strain may have decided nothing, if waits agree.
func (s strain) hiccup(window float64) bool {
	return !s.deep && float64(s.seconds) <= max(maxHiccups*window, 1)
}

// fellBehind reports whether arrivals were too late in a window, for longer
// than a hiccup, for it to be a window of the plan's load.
func (s strain) fellBehind(window float64) bool {
	return s.behind >= heldBackFor && float64(s.behind) > maxStrained*window
}

// An episode is the seconds in which one thing was wrong.
type episode struct {
	n           int64
	first, last time.Duration
	worst       float64
}

func (e *episode) add(at time.Duration, v float64) {
	if e.n == 0 {
		e.first = at
	}
	e.n++
	e.last = max(e.last, at)
	e.worst = max(e.worst, v)
}

func (e *episode) when() string {
	if e.n == 1 {
		return "in the second from " + moment(e.first)
	}
	return fmt.Sprintf("in %d seconds between %s and %s", e.n, moment(e.first), moment(e.last+time.Second))
}

func judged(spans []span, at time.Duration) bool {
	for _, s := range spans {
		if s.overlaps(at, at+time.Second) {
			return true
		}
	}
	return false
}
