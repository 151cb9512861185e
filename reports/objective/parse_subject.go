package objective

import (
	"math/big"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/reports/journal"
)

// subject finds out what the parts of a subject are: a name, perhaps a step,
// perhaps an outcome and a measure, and last the metric. A quoted part is
// always a name.
func (p *parser) subject(parts []part) (subject, *SyntaxError) {
	first, rest := parts[0], parts[1:]
	s := subject{name: first.text, role: LoadOrProbe}
	if err := p.nameless(first, rest); err != nil {
		return s, err
	}
	if len(rest) == 0 {
		s.role = Probe
		p.refer(s.role, s.name, first.offset, first.length)
		return s, nil
	}

	if done, err := p.scalingFrom(&s, first, rest); done {
		return s, err
	}
	var step part
	if rest[0].quoted || !reserved(strings.SplitN(rest[0].text, ".", 2)[0]) {
		step, rest = rest[0], rest[1:]
		s.step = step.text
	}
	for len(rest) > 0 && !rest[0].quoted {
		switch word := rest[0].text; {
		case (word == "ok" || word == "failed") && s.outcome == "":
			s.outcome = word
		case slices.Contains(measures, word) && s.measure == "":
			s.measure = journal.Measure(word)
		default:
			if err := s.metricFrom(rest, parts); err != nil {
				return s, err
			}
			p.refer(s.role, s.name, first.offset, first.length)
			if s.step != "" {
				p.refer(Step, s.step, step.offset, step.length)
			}
			return s, nil
		}
		rest = rest[1:]
	}
	return s, s.metricMissing(parts)
}

// nameless catches a metric without a load: p99 < 300ms, rate < 0.01.
func (p *parser) nameless(first part, rest []part) *SyntaxError {
	if first.quoted {
		return nil
	}
	if slices.Contains(keywords, first.text) {
		return errorAt(first.offset, first.length, "expected the name of a load or a probe, found the word %q", first.text).
			hint(`a name that is a word of the language is written in quotes: "%s"`, first.text)
	}
	word := strings.SplitN(first.text, ".", 2)[0]
	if len(rest) > 0 && !(word == "errors" || word == "status") || !reserved(word) {
		return nil
	}
	e := errorAt(first.offset, first.length, "%s of which load?", first.text)
	if word == "rate" {
		return e.hint("name it: browse.rate; the share of failed operations is browse.errors")
	}
	if percentile(word) || slices.Contains(aggregates, word) {
		// The next thing missing, usually: the unit.
		limit := strings.TrimLeft(p.rest(), " \t<=>")
		if n := numberLength(limit); n > 0 && n == len(limit) {
			return e.hint("name it, and the unit is never optional: browse.%s < %sms", first.text, limit)
		}
	}
	return e.hint("name it: browse.%s", joinParts(append([]part{first}, rest...)))
}

// metricFrom reads the metric, which must be all of rest.
func (s *subject) metricFrom(rest, parts []part) *SyntaxError {
	at, word := rest[0], rest[0].text
	base, _, _ := strings.Cut(word, ".")
	switch isPercentile := percentile(base); {
	case isPercentile:
		s.stat, s.role = percentileStat, Load
		if err := s.percentile(at); err != nil {
			return err
		}
	case slices.Contains(aggregates, word):
		s.stat = stat(word)
		if s.outcome != "" || s.measure != "" {
			s.role = Load
		}
	case word == "errors":
		s.stat, s.role = errorsStat, Load
		if err := s.bare(at); err != nil {
			return err
		}
		if len(rest) > 1 {
			rest = rest[1:]
			if err := s.errorClass(rest[0]); err != nil {
				return err
			}
		}
	case word == "status":
		s.stat, s.role = statusStat, Load
		if err := s.whole(at); err != nil {
			return err
		}
		if len(rest) < 2 || !allDigits(rest[1].text) || len(rest[1].text) > 5 {
			return errorAt(at.offset, end(parts)-at.offset, "status takes a code").hint("as in %s.status.503", Name(s.name))
		}
		rest = rest[1:]
		s.status = rest[0].text
	case word == "rate" || slices.Contains(counters, word):
		s.stat, s.role = stat(word), Load
		if err := s.whole(at); err != nil {
			return err
		}
	case word == "last" || word == "failures":
		s.stat, s.role = stat(word), Probe
		if s.step != "" && word == "failures" || s.outcome != "" || s.measure != "" {
			return errorAt(at.offset, at.length, "%s is of a probe, which has no steps, outcomes or measures", word).
				hint("write PROBE.%s", word)
		}
	default:
		return s.unknownMetric(at)
	}
	if s.role == Load && s.latency() && s.measure == "" {
		s.measure = journal.Response
	}
	if len(rest) > 1 {
		extra := rest[1]
		return errorAt(extra.offset, end(parts)-extra.offset, "nothing can follow %s", rest[0].text).
			hint("the metric comes last: LOAD.STEP.ok.service.p99")
	}
	return nil
}

// bare refuses an outcome or a measure before a metric that has none.
func (s *subject) bare(at part) *SyntaxError {
	if s.outcome != "" || s.measure != "" {
		what := s.outcome
		if what == "" {
			what = string(s.measure)
		}
		return errorAt(at.offset, at.length, "%s does not go with %s", at.text, what).
			hint("ok, failed, service, wait and the like go with pNN, min, mean and max")
	}
	return nil
}

// whole refuses a step before a metric that is counted per load.
func (s *subject) whole(at part) *SyntaxError {
	if s.step != "" {
		return errorAt(at.offset, at.length, "%s is counted for a whole load, not for one step", at.text).
			hint("write %s.%s", Name(s.name), at.text)
	}
	return s.bare(at)
}

func (s *subject) errorClass(at part) *SyntaxError {
	if !slices.Contains(classes, at.text) {
		e := errorAt(at.offset, at.length, "no class of errors is called %q", at.text)
		if near := suggest(at.text, classes); near != "" {
			return e.hint("did you mean %s?", near)
		}
		if allDigits(at.text) {
			return e.hint("did you mean %s.status.%s?", Name(s.name), at.text)
		}
		return e.hint("the classes are %s", strings.Join(classes, ", "))
	}
	s.class = at.text
	return nil
}

// percentile reads the digits of pNN.NN.
func (s *subject) percentile(at part) *SyntaxError {
	digits := at.text[1:]
	fail := func(format string, args ...any) *SyntaxError {
		return errorAt(at.offset, at.length, "%s is not a percentile between 0 and 100", at.text).hint(format, args...)
	}
	integer, fraction, _ := strings.Cut(digits, ".")
	if len(integer) > maxInteger || len(fraction) > 4 {
		return fail("as in p99 or p99.99")
	}
	q, ok := new(big.Rat).SetString(digits)
	if !ok {
		return fail("as in p99 or p99.99")
	}
	hundred := big.NewRat(100, 1)
	switch {
	case q.Sign() == 0:
		return fail("the lowest value is min")
	case q.Cmp(hundred) == 0:
		return fail("the highest value is max")
	case q.Cmp(hundred) > 0 && len(integer) <= 6 && fraction == "" && integer[:2] >= "10":
		return fail("did you mean p%s.%s?", integer[:2], integer[2:])
	case q.Cmp(hundred) > 0:
		return fail("as in p99 or p99.99")
	case q.Cmp(big.NewRat(1, 1)) < 0:
		return fail("did you mean p%s?", decimal(product(q, 100)))
	}
	s.digits = decimal(q)
	s.q, _ = q.Float64()
	return nil
}

// latency reports whether the stat is one of a distribution.
func (s *subject) latency() bool {
	switch s.stat {
	case percentileStat, minStat, meanStat, maxStat:
		return true
	}
	return false
}

func (s *subject) unknownMetric(at part) *SyntaxError {
	e := errorAt(at.offset, at.length, "no metric is called %q", at.text)
	if slices.Contains(measures, at.text) || at.text == "ok" || at.text == "failed" {
		return errorAt(at.offset, at.length, "%s is one outcome or measure too many", at.text).
			hint("as in LOAD.STEP.ok.service.p99")
	}
	if near := suggestMetric(at.text); near != "" {
		return e.hint("did you mean %s?", near)
	}
	return e.hint("the metrics are pNN, min, mean, max, errors, rate, offered, sent, completed, dropped and status.NNN of a load, min, mean, max, last and failures of a probe")
}

// metricMissing says what a subject lacks that ends before its metric.
func (s *subject) metricMissing(parts []part) *SyntaxError {
	at := parts[len(parts)-1]
	if s.step == "" || len(parts) > 2 { // ended on an outcome, a measure, or a quoted part
		if at.quoted {
			return errorAt(at.offset, at.length, "expected a metric, found the name %q", at.text).
				hint("metrics are written without quotes: p99, errors, rate")
		}
		if len(parts) > 2 && s.step != "" && at.text != s.outcome && at.text != string(s.measure) {
			return s.unknownMetric(at)
		}
		return errorAt(at.offset, at.length, "%s of what?", at.text).
			hint("add a metric: %s.p99", joinParts(parts))
	}
	if near := suggestMetric(at.text); near != "" && !at.quoted {
		e := s.unknownMetric(at)
		return e.hint("did you mean %s? If it is a step, add the metric: %s.p99", near, joinParts(parts))
	}
	if !at.quoted && (s.step == "p" || strings.HasPrefix(s.step, "p") && len(s.step) > 1 && isDigit(s.step[1])) {
		return errorAt(at.offset, at.length, "%s is not a percentile", at.text).hint("as in p99 or p99.9")
	}
	return errorAt(at.offset, at.length, "no metric is called %q", at.text).
		hint("if it is a step, add the metric: %s.p99", joinParts(parts))
}

func end(parts []part) int {
	last := parts[len(parts)-1]
	return last.offset + last.length
}
