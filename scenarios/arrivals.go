package scenarios

import (
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// setProcess applies arrivals: constant, poisson or sine(…) to pieces.
func (l *loader) setProcess(pieces []plannedPiece, n decode.Node) bool {
	if n.Kind() != decode.Scalar {
		l.d.Report(n, decode.CodeWrongType, "arrivals is a word or a trace, and this is "+n.Kind().String(), "write constant, poisson, sine(amplitude=200/s, period=1m) or { trace: FILE }")
		return false
	}
	e, ok := l.text(n)
	if !ok {
		return false
	}
	wave, process, err := parseProcess(e.text)
	if err == nil && wave != nil {
		for _, p := range pieces {
			if low := min(p.From, p.To); wave.Amplitude > low {
				err = &textError{0, len(e.text), fmt.Sprintf("the wave would go below 0: its amplitude is %s and the rate %s", decode.FormatRate(wave.Amplitude), decode.FormatRate(low)),
					"take a higher rate or a smaller amplitude"}
				break
			}
		}
	}
	if err != nil {
		l.reportIn(n, e, codeShape, err)
		return false
	}
	for i := range pieces {
		pieces[i].Process, pieces[i].Sine = process, wave
		pieces[i].process = string(process)
		if wave != nil {
			pieces[i].process = "sine"
		}
	}
	return true
}

// parseProcess reads a word of arrivals.
func parseProcess(text string) (*generators.Sine, generators.Process, *textError) {
	trimmed := strings.TrimSpace(text)
	at := strings.Index(text, trimmed)
	switch trimmed {
	case string(generators.Constant):
		return nil, generators.Constant, nil
	case string(generators.Poisson):
		return nil, generators.Poisson, nil
	}
	args, isSine := strings.CutPrefix(trimmed, "sine")
	args = strings.TrimSpace(args)
	if !isSine || !strings.HasPrefix(args, "(") || !strings.HasSuffix(args, ")") {
		hint := "arrivals are constant, poisson, sine(amplitude=200/s, period=1m) or { trace: FILE }"
		if isSine {
			hint = "write sine(amplitude=200/s, period=1m)"
		} else if near := decode.Suggest(trimmed, []string{"constant", "poisson"}); near != "" {
			hint = "did you mean " + near + "?"
		} else if w := strings.ToLower(trimmed); w == "uniform" || w == "even" || w == "paced" {
			hint = "did you mean constant?"
		} else if w == "exponential" || w == "random" {
			hint = "did you mean poisson?"
		}
		return nil, "", &textError{at, max(1, len(trimmed)), fmt.Sprintf("there are no arrivals called %q", clip(trimmed, 40)), hint}
	}
	return parseSine(text, strings.IndexByte(text, '(')+1, strings.LastIndexByte(text, ')'))
}

func parseSine(text string, from, to int) (*generators.Sine, generators.Process, *textError) {
	var wave generators.Sine
	offset := from
	for arg := range strings.SplitSeq(text[from:to], ",") {
		key, value, ok := strings.Cut(arg, "=")
		key, trimmed := strings.TrimSpace(key), strings.TrimSpace(value)
		valueAt := offset + len(arg) - len(value) + strings.Index(value, trimmed)
		if !ok {
			return nil, "", &textError{offset, max(1, len(arg)), "sine takes amplitude and period", "write sine(amplitude=200/s, period=1m)"}
		}
		var err error
		switch key {
		case "amplitude":
			wave.Amplitude, err = decode.ParseRate(trimmed)
			if err == nil && !(wave.Amplitude > 0 && wave.Amplitude <= mostRate) {
				err = fmt.Errorf("an amplitude is above 0")
			}
		case "period":
			wave.Period, err = decode.ParseDuration(trimmed)
			if err == nil && wave.Period < time.Millisecond {
				err = fmt.Errorf("a period is at least 1ms")
			}
		default:
			return nil, "", &textError{offset, max(1, len(arg)), fmt.Sprintf("sine has no %q", clip(key, 40)), "write sine(amplitude=200/s, period=1m)"}
		}
		if err != nil {
			return nil, "", &textError{valueAt, max(1, len(trimmed)), err.Error(), valueHint(err, "write sine(amplitude=200/s, period=1m)")}
		}
		offset += len(arg) + 1
	}
	if wave.Amplitude == 0 || wave.Period == 0 {
		return nil, "", &textError{from, max(1, to-from), "sine takes both amplitude and period", "write sine(amplitude=200/s, period=1m)"}
	}
	return &wave, generators.Constant, nil
}

// readTracePiece reads arrivals: { trace: FILE, speed: 2 }.
func (l *loader) readTracePiece(p *phaseSpec, arrivals, rate, users decode.Node) ([]plannedPiece, bool) {
	var o traceOptions
	if !l.d.Decode(arrivals, &o) {
		return nil, false
	}
	for _, other := range []decode.Node{rate, users} {
		if other.Kind() != decode.Null {
			l.d.Report(other, codeShape, "a trace says itself when arrivals fall due", "remove this, or the trace")
			return nil, false
		}
	}
	at, ok := arrivals.Get("trace")
	if !ok {
		at = arrivals
	}
	f, err := l.openFile(o.Trace)
	var offsets []time.Duration
	if err == nil {
		offsets, err = readTrace(f, o.Speed)
		f.Close()
		if err != nil {
			err = fmt.Errorf("%s: %w", o.Trace, err)
		}
	}
	if err != nil {
		l.d.Report(at, codeFile, err.Error(), l.fileHint(err, o.Trace))
		return nil, false
	}
	if p.For <= 0 {
		return nil, false // reported
	}
	last := offsets[len(offsets)-1]
	switch {
	case last >= p.For:
		l.d.Warn(at, codeTimeline, fmt.Sprintf("the trace lasts %s and the phase %s: what comes later is not played", decode.FormatDuration(last.Round(time.Millisecond)), decode.FormatDuration(p.For)),
			fmt.Sprintf("make the phase longer, or play it faster: speed: %.3g", o.Speed*float64(last+time.Millisecond)/float64(p.For)))
	case last < p.For*9/10:
		l.d.Warn(at, codeTimeline, fmt.Sprintf("the trace is over after %s of %s: the load is idle from there", decode.FormatDuration(last.Round(time.Millisecond)), decode.FormatDuration(p.For)), "")
	}
	for len(offsets) > 0 && offsets[len(offsets)-1] >= p.For {
		offsets = offsets[:len(offsets)-1]
	}
	if len(offsets) == 0 {
		l.d.Report(at, codeTimeline, "no arrival of the trace falls into the phase", "")
		return nil, false
	}
	return []plannedPiece{{process: "trace", Piece: generators.Piece{
		Start: p.plan.Start, End: p.plan.End, Process: generators.Constant, Trace: offsets}}}, true
}
