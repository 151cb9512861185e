package limits

import (
	"fmt"
	"math"
	"strings"
)

// A Need is what one load of a scenario asks of the machine at its worst.
type Need struct {
	Load     string
	Sessions int64   // connections at the same time
	Rate     float64 // arrivals a second at the peak; 0 in the closed model
	Pairs    int64   // of a local address and one of the target that the connections are spread over; 0 is 1
	Lane     bool    // on the fast path, which takes no goroutine a session
	Memory   int64   // bytes of brunt's own that a session takes; 0 where that is not known
	Stalled  bool    // so many only when the target answers nothing until its timeout
}

// What a session and a request cost, rounded up from measurements on one
// machine of two cores; the order of magnitude is what counts here.
const (
	laneSession      = 4 << 10  // bytes of brunt's own memory, with small answers
	http1Session     = 8 << 10  // the same off the fast path
	goroutineSession = 32 << 10 // of a generator that does not say
	socketMemory     = 8 << 10  // the kernel's for one connection that is quiet
	ownMemory        = 64 << 20 // brunt without a session

	laneRequest      = 12e-6 // seconds of a core
	goroutineRequest = 60e-6

	ownFiles = 64 // files, pipes and sockets that are not sessions
)

// From which share of a limit a need is tight.
const tight = 0.8

// For says what of the machine the needs would use up, all at the same time,
// and all of them against the same target.
func (m Machine) For(needs []Need) []Check {
	return []Check{m.files(needs), m.ports(needs), m.memory(needs), m.conntrack(needs), m.cores(needs)}
}

func sessions(needs []Need) (n int64) {
	for _, need := range needs {
		n += need.Sessions
	}
	return n
}

// ask says how many sessions there would be, and when.
func ask(needs []Need) string {
	n := sessions(needs)
	text := thousands(n) + " sessions"
	if n == 1 {
		text = "1 session"
	}
	var stalled []string
	for _, need := range needs {
		if need.Stalled {
			stalled = append(stalled, need.Load)
		}
	}
	if len(stalled) > 0 {
		text += " (if the target stops answering " + strings.Join(stalled, " and ") + ")"
	}
	return text
}

// stateOf compares what is needed with what there is.
func stateOf(need, have int64) State {
	switch {
	case have < 0:
		return Unknown
	case need > have:
		return Short
	case float64(need) > tight*float64(have):
		return Tight
	}
	return OK
}

func (m Machine) files(needs []Need) Check {
	c := Check{Name: "files"}
	switch {
	case m.Files < 0:
		return notKnown("files", "how many files brunt may open")
	case needs == nil:
		const few = 4096
		c.State, c.Says = OK, fmt.Sprintf("brunt may have %s files open: room for about %s sessions.", thousands(m.Files), thousands(max(0, m.Files-ownFiles)))
		if m.Files < few {
			c.State, c.Mend = Tight, m.raiseFiles(65536)
		}
		return c
	}
	processes := max(m.Processes, 1)
	need := (sessions(needs)+processes-1)/processes + ownFiles
	c.State = stateOf(need, m.Files)
	c.Says = fmt.Sprintf("brunt may have %s files open; %s take %s.", thousands(m.Files), ask(needs), thousands(need))
	if processes > 1 {
		c.Says = fmt.Sprintf("Each of %d workers may have %s files open; %s take %s of each.", processes, thousands(m.Files), ask(needs), thousands(need))
	}
	if c.State != OK {
		c.Mend = m.raiseFiles(need*5/4) + m.moreProcesses(sessions(needs), processes)
	}
	return c
}

// moreProcesses says how many workers have files enough between them; "" when
// it cannot be done so.
func (m Machine) moreProcesses(sessions, processes int64) string {
	each := int64(tight*float64(m.Files)) - ownFiles
	const most = 64 // past that a process a session would be next
	if each <= 0 {
		return ""
	}
	n := (sessions + each - 1) / each
	if n <= processes || n > most {
		return ""
	}
	return fmt.Sprintf(" Or spread the load over processes: brunt run --workers %d.", n)
}

func (m Machine) raiseFiles(to int64) string {
	text := fmt.Sprintf("ulimit -n %d in the shell before brunt", to)
	if m.FilesHard >= 0 && to > m.FilesHard {
		text += fmt.Sprintf(" (as root: the hard limit is %s)", thousands(m.FilesHard))
	}
	return text + "; LimitNOFILE= in systemd, --ulimit nofile= in docker."
}

func (m Machine) ports(needs []Need) Check {
	if m.Ports < 0 {
		return notKnown("ports", "how many local ports it has")
	}
	fresh := fmt.Sprintf("A connection for every request can last at up to %s a second: a closed one keeps its port for %s.",
		thousands(int64(float64(m.Ports)/m.TimeWait.Seconds())), m.TimeWait)
	const wider = "Several local addresses (source: [127.0.0.2, 127.0.0.3, …]) or several of the target (connect_to:), or sysctl -w net.ipv4.ip_local_port_range='1024 65535'."
	c := Check{Name: "ports"}
	if needs == nil {
		const few = 20_000
		c.State, c.Says = OK, fmt.Sprintf("There are %s local ports for each address of a target. %s", thousands(m.Ports), fresh)
		if m.Ports < few {
			c.State, c.Mend = Tight, wider
		}
		return c
	}
	need, spread := int64(0), false
	for _, n := range needs {
		pairs := max(n.Pairs, 1)
		need += (n.Sessions + pairs - 1) / pairs
		spread = spread || pairs > 1
	}
	c.State = stateOf(need, m.Ports)
	c.Says = fmt.Sprintf("There are %s local ports for each address of the target; %s take one each. %s", thousands(m.Ports), ask(needs), fresh)
	if spread {
		c.Says = fmt.Sprintf("There are %s local ports for each pair of a local address and one of the target; %s take %s of one pair. %s", thousands(m.Ports), ask(needs), thousands(need), fresh)
	}
	if c.State != OK {
		c.Mend = wider
	}
	return c
}

func (m Machine) memory(needs []Need) Check {
	if m.Memory < 0 {
		return notKnown("memory", "how much memory is free")
	}
	c := Check{Name: "memory"}
	if needs == nil {
		room := max(0, m.Memory-ownMemory)
		c.State, c.Says = OK, fmt.Sprintf("%s of memory are free: room for about %s sessions over HTTP/1.1 on the fast path, %s off it.",
			size(m.Memory), thousands(room/(laneSession+socketMemory)), thousands(room/(http1Session+socketMemory)))
		return c
	}
	need := int64(ownMemory)
	for _, n := range needs {
		each := int64(goroutineSession)
		switch {
		case n.Lane:
			each = laneSession
		case n.Memory > 0:
			each = n.Memory
		}
		need += n.Sessions * (each + socketMemory)
	}
	c.State = stateOf(need, m.Memory)
	c.Says = fmt.Sprintf("%s of memory are free; brunt with %s takes about %s, the kernel's share included.", size(m.Memory), ask(needs), size(need))
	if c.State != OK {
		c.Mend = "Lower max_in_flight or users, or take a machine with more memory."
	}
	return c
}

func (m Machine) conntrack(needs []Need) Check {
	c := Check{Name: "conntrack"}
	if m.TrackedMax < 0 {
		return Check{"conntrack", OK, "Connections are not tracked on this machine.", ""}
	}
	used := max(0, m.Tracked)
	mend := fmt.Sprintf("sysctl -w net.netfilter.nf_conntrack_max=%d, or do not track the target's port (nft: notrack).", max(262144, 2*(used+sessions(needs))))
	if needs == nil {
		c.State, c.Says = stateOf(used, m.TrackedMax), fmt.Sprintf("The table of tracked connections holds %s of %s.", thousands(used), thousands(m.TrackedMax))
	} else {
		c.State = stateOf(used+sessions(needs), m.TrackedMax)
		c.Says = fmt.Sprintf("The table of tracked connections holds %s of %s; %s add one each, and a closed one stays for minutes.", thousands(used), thousands(m.TrackedMax), ask(needs))
	}
	if c.State != OK {
		c.Mend = mend
	}
	return c
}

func (m Machine) cores(needs []Need) Check {
	c := Check{Name: "cores", State: OK}
	const more = "Take a machine with more cores, lower the rate, or see what keeps a load off the fast path (brunt plan)."
	if needs == nil {
		c.Says = fmt.Sprintf("brunt may use %s: about %s requests a second on the fast path, %s with a goroutine for each session.", coresOf(float64(m.Cores)),
			thousands(int64(round(float64(m.Cores)/laneRequest))), thousands(int64(round(float64(m.Cores)/goroutineRequest))))
		if m.Cores == 1 {
			c.State, c.Says = Tight, c.Says+" A target on the same core competes with it."
			c.Mend = "Take a machine with two cores or more."
		}
		return c
	}
	cost, open := 0.0, false
	for _, n := range needs {
		each := goroutineRequest
		if n.Lane {
			each = laneRequest
		}
		cost += n.Rate * each
		open = open || n.Rate > 0
	}
	if !open {
		c.Says = fmt.Sprintf("brunt may use %s; a closed model takes what there is.", coresOf(float64(m.Cores)))
		return c
	}
	// In thousandths of a core.
	c.State = stateOf(int64(1000*cost), int64(1000*m.Cores))
	c.Says = fmt.Sprintf("brunt may use %s; the peak takes about %s.", coresOf(float64(m.Cores)), coresOf(cost))
	if c.State != OK {
		c.Mend = more
	}
	return c
}

func coresOf(n float64) string {
	if n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%.3g cores", n)
}

// round leaves two digits.
func round(f float64) float64 {
	if f <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(f))-1)
	return math.Round(f/unit) * unit
}
