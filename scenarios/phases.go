package scenarios

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// longestRun bounds the sum of all phases, far below where durations overflow.
const longestRun = 100 * 365 * 24 * time.Hour

func (l *loader) readPhases() {
	n := l.top.Phases.Node
	switch {
	case n.Kind() == decode.Null:
		return // reported as missing
	case n.Kind() != decode.List:
		l.d.Report(n, decode.CodeWrongType, "phases is a list, and this is "+n.Kind().String(), "write - name: steady, for: 5m and so on, each phase with a dash")
		return
	case len(n.Items()) == 0:
		l.d.Report(n, decode.CodeMissingKey, "phases is empty: the run would be over at once", "write - { name: steady, for: 5m, load: { … } }")
		return
	}
	var at time.Duration
	for _, item := range n.Items() {
		p := &phaseSpec{node: item}
		ok := l.d.Decode(item, &p.phase)
		if name, has := item.Get("name"); has && p.Name != "" {
			ok = l.goodName(name, p.Name, "phase") && ok
			if l.findPhase(p.Name) != nil {
				l.d.Report(name, codeDuplicate, "two phases are called "+p.Name, "give each a name of its own")
				ok = false
			}
		}
		if !ok {
			l.broken[p.Name] = true
		}
		p.plan = journal.PhasePlan{Name: p.Name, Start: at, End: at + p.For, Exclude: p.Exclude}
		at += p.For
		l.phases = append(l.phases, p)
		if at > longestRun {
			l.d.Report(item, codeTimeline, "the run would last longer than a hundred years", "")
			return
		}
	}
	for _, p := range l.phases {
		l.readOffer(p)
		l.readFaults(p)
	}
	l.placeFaults()
}

func (l *loader) findPhase(name string) *phaseSpec {
	for _, p := range l.phases {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (l *loader) end() time.Duration {
	if len(l.phases) == 0 {
		return 0
	}
	return l.phases[len(l.phases)-1].plan.End
}

// readOffer reads what each load offers during a phase.
func (l *loader) readOffer(p *phaseSpec) {
	n := p.Load.Node
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		hint := "write load: { NAME: 500/s }"
		if len(l.loads) > 0 {
			hint = "write load: { " + l.loads[0].name + ": " + clip(cmp.Or(n.Text(), "500/s"), 40) + " }"
		}
		l.d.Report(n, decode.CodeWrongType, "load is a map of loads to what they offer, and this is "+n.Kind().String(), hint)
		return
	}
	for _, e := range n.Entries() {
		spec := l.findLoad(e.Key)
		if spec == nil {
			l.unknown(e.KeyNode, "load", e.Key, l.loadNames())
			continue
		}
		pieces, ok := l.readPieces(p, e.Value)
		if !ok || len(pieces) == 0 {
			l.broken["rate of "+spec.name] = true
			continue
		}
		users := pieces[0].users
		if spec.first.Kind() == decode.Null {
			spec.first, spec.users = e.Value, users
		} else if spec.users != users {
			models := map[bool]string{true: "a number of users (closed model)", false: "a rate (open model)"}
			l.d.Report(e.Value, codeShape, fmt.Sprintf("load %s is offered as %s here and as %s in line %d", spec.name, models[users], models[spec.users], spec.first.Line()),
				"a load has one model over the whole run; make two loads of it")
			l.broken["rate of "+spec.name] = true
			continue
		}
		for _, piece := range pieces {
			spec.pieces = append(spec.pieces, piece.Piece)
			spec.shapes = append(spec.shapes, piece.process)
		}
		spec.offers = append(spec.offers, offer{p, e.Value})
	}
}

func (l *loader) loadNames() []string {
	names := make([]string, len(l.loads))
	for i, spec := range l.loads {
		names[i] = spec.name
	}
	return names
}

// unknown reports a name that nothing has.
func (l *loader) unknown(n decode.Node, what, name string, known []string) {
	hint := "the scenario has none"
	if near := decode.Suggest(name, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(known) > 0 {
		hint = "there is " + strings.Join(known, ", ")
	}
	l.d.Report(n, codeReference, fmt.Sprintf("there is no %s called %q", what, name), hint)
}

// A plannedPiece is a piece before it is known which model its load has.
type plannedPiece struct {
	generators.Piece
	users   bool
	process string
}

func (l *loader) readPieces(p *phaseSpec, n decode.Node) ([]plannedPiece, bool) {
	switch n.Kind() {
	case decode.Scalar, decode.List:
		return l.readLevels(p, n, "")
	case decode.Null:
		at := n
		if key, ok := n.Key(); ok {
			at = key
		}
		l.d.Report(at, decode.CodeMissingKey, "a rate or a number of users is missing", "write 500/s, or 0/s -> 500/s; leave the load out to keep it idle")
		return nil, false
	}
	var o rateOptions
	if !l.d.Decode(n, &o) {
		return nil, false
	}
	rate, users, arrivals := o.Rate.Node, o.Users.Node, o.Arrivals.Node
	if arrivals.Kind() == decode.Map {
		return l.readTracePiece(p, arrivals, rate, users)
	}
	switch {
	case rate.Kind() != decode.Null && users.Kind() != decode.Null:
		l.d.Report(users, codeShape, "a load has a rate or users, not both", "rate is the open model, users the closed one")
		return nil, false
	case rate.Kind() == decode.Null && users.Kind() == decode.Null:
		l.d.Report(n, decode.CodeMissingKey, "rate or users is missing", "write { rate: 500/s } or { users: 50 }")
		return nil, false
	case users.Kind() != decode.Null:
		if arrivals.Kind() != decode.Null {
			l.d.Report(arrivals, codeShape, "users decide themselves when they come again: arrivals belong to a rate", "remove arrivals, or write a rate in the place of users")
			return nil, false
		}
		return l.readLevels(p, users, "users")
	}
	pieces, ok := l.readLevels(p, rate, "rate")
	if !ok || arrivals.Kind() == decode.Null {
		return pieces, ok
	}
	return pieces, l.setProcess(pieces, arrivals)
}

// readLevels reads one stretch or a list of them and fits them to the phase.
// want is "rate" or "users" when the key says which, "" when the text does.
func (l *loader) readLevels(p *phaseSpec, n decode.Node, want string) ([]plannedPiece, bool) {
	items := []decode.Node{n}
	if n.Kind() == decode.List {
		items = n.Items()
	}
	if len(items) == 0 {
		l.d.Report(n, decode.CodeMissingKey, "the list of stretches is empty", "write [0/s -> 500/s in 1m, 500/s for 4m]")
		return nil, false
	}
	ok := true
	var pieces []plannedPiece
	at := time.Duration(0)
	for i, item := range items {
		s, good := l.readShape(item, want)
		if !good {
			ok = false
			continue
		}
		if s.length == 0 {
			if i < len(items)-1 {
				l.d.Report(item, codeShape, "only the last stretch may leave out its length", "write "+clip(item.Text(), 40)+" for 30s")
				ok = false
				continue
			}
			s.length = p.For - at
			if s.length <= 0 && ok && p.For > 0 {
				l.d.Report(item, codeTimeline, fmt.Sprintf("the stretches before this one fill the phase of %s already", decode.FormatDuration(p.For)), "")
				ok = false
			}
		}
		if len(pieces) > 0 && pieces[0].users != s.from.users {
			l.d.Report(item, codeShape, "one stretch is a rate and another a number of users", "a load has one model over the whole run")
			ok = false
		}
		process := ""
		if !s.from.users {
			process = string(generators.Constant)
		}
		pieces = append(pieces, plannedPiece{users: s.from.users, process: process, Piece: generators.Piece{
			Start: p.plan.Start + at, End: p.plan.Start + at + s.length, From: s.from.value, To: s.to.value, Process: generators.Process(process)}})
		at += s.length
	}
	if ok && at != p.For && p.For > 0 { // a phase without a length has been reported
		off, word := p.For-at, "missing"
		if off < 0 {
			off, word = -off, "too much"
		}
		what := "the stretches fill"
		if len(items) == 1 {
			what = "the stretch fills"
		}
		l.d.Report(n, codeTimeline, fmt.Sprintf("%s %s of a phase of %s: %s is %s", what, decode.FormatDuration(at), decode.FormatDuration(p.For), decode.FormatDuration(off), word),
			"leave out the length of the last stretch and it takes what is left")
		ok = false
	}
	return pieces, ok
}

func (l *loader) readShape(n decode.Node, want string) (shape, bool) {
	if n.Kind() != decode.Scalar {
		l.d.Report(n, decode.CodeWrongType, "a stretch is one line of text, and this is "+n.Kind().String(), "write 500/s for 2m, or 0/s -> 500/s in 30s")
		return shape{}, false
	}
	e, ok := l.text(n)
	if !ok {
		return shape{}, false
	}
	s, err := parseShape(e.text)
	if err == nil && want == "users" && !s.from.users {
		err = &textError{0, len(e.text), "users are a number, and this is a rate", "write { rate: " + e.text + " }, or { users: 50 }"}
	}
	if err == nil && want == "rate" && s.from.users {
		err = &textError{0, len(e.text), "a rate needs a unit", "write " + strings.TrimSpace(e.text) + "/s, or { users: " + strings.TrimSpace(e.text) + " }"}
		if s.from != s.to {
			err.hint = "write 0/s -> 500/s"
		}
	}
	if err != nil {
		l.reportIn(n, e, codeShape, err)
		return shape{}, false
	}
	return s, true
}

// text resolves a scalar that must be known before the run.
func (l *loader) text(n decode.Node) (expansion, bool) {
	e, err := l.x.expand(n.Text(), false, nil)
	if err != nil {
		l.d.ReportText(n, err.Offset, err.Length, err.Code, err.Message, err.Hint)
		return expansion{}, false
	}
	return e, true
}

// reportIn reports a mistake in a resolved text at its place in the source.
func (l *loader) reportIn(n decode.Node, e expansion, code string, err *textError) {
	offset, length := e.locate(err.offset, err.length)
	l.d.ReportText(n, offset, length, code, err.message, err.hint)
}
