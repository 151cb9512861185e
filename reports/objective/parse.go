package objective

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxSource bounds the text of an objective, in bytes.
const maxSource = 1000

// A parser reads one statement from left to right. Each of its methods leaves
// pos behind what it read, or gives an error and is not called again.
type parser struct {
	src  string
	pos  int
	refs []Reference
}

func parse(src string) (statement, []Reference, *SyntaxError) {
	if len(src) > maxSource {
		return statement{}, nil, errorAt(maxSource, 1, "an objective is one line of at most %d bytes", maxSource)
	}
	if !utf8.ValidString(src) {
		return statement{}, nil, errorAt(invalidAt(src), 1, "the text is not valid UTF-8")
	}
	p := &parser{src: src}
	var s statement
	var err *SyntaxError
	parts, err := p.parts()
	if err != nil {
		return s, nil, err
	}
	if s.subject, err = p.subject(parts); err != nil {
		return s, nil, err
	}
	values, err := p.comparison(&s)
	if err != nil {
		return s, nil, err
	}
	if err := p.clauses(&s); err != nil {
		return s, nil, err
	}
	if err := p.checkScaling(&s); err != nil {
		return s, nil, err
	}
	return s, p.refs, checkTypes(&s, parts, values)
}

func invalidAt(src string) int {
	for i, r := range src {
		if r == utf8.RuneError {
			return i
		}
	}
	return 0
}

// A part is one piece of a subject between dots.
type part struct {
	text   string
	offset int
	length int
	quoted bool
}

// parts reads a subject: names and words with dots between.
func (p *parser) parts() ([]part, *SyntaxError) {
	p.space()
	if p.pos == len(p.src) {
		return nil, errorAt(p.pos, 1, "the objective is empty").hint("write something like browse.p99 < 300ms")
	}
	var parts []part
	for {
		next, err := p.part()
		if err != nil {
			return nil, err
		}
		// p99.9 is one word, although a point is in it.
		if n := len(parts) - 1; n >= 0 && !next.quoted && !parts[n].quoted && allDigits(next.text) {
			if percentile(parts[n].text) {
				next = part{text: parts[n].text + "." + next.text, offset: parts[n].offset, length: next.offset + next.length - parts[n].offset}
				parts = parts[:n]
			}
		}
		parts = append(parts, next)
		if !strings.HasPrefix(p.rest(), ".") || strings.HasPrefix(p.rest(), "..") {
			return parts, p.foreign(parts)
		}
		p.pos++
	}
}

func (p *parser) part() (part, *SyntaxError) {
	start := p.pos
	if strings.HasPrefix(p.rest(), `"`) {
		text, err := p.quoted()
		return part{text, start, p.pos - start, true}, err
	}
	for p.pos < len(p.src) && isNameByte(p.src[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		expected := "the name of a load or a probe"
		if start > 0 && p.src[start-1] == '.' {
			expected = "a metric"
		}
		return part{}, p.unexpected(expected).hint("write something like browse.p99 < 300ms")
	}
	return part{p.src[start:p.pos], start, p.pos - start, false}, nil
}

func (p *parser) quoted() (string, *SyntaxError) {
	start := p.pos
	end := strings.IndexByte(p.src[start+1:], '"')
	if end < 0 {
		return "", errorAt(start, len(p.src)-start, "the quote is never closed")
	}
	text := p.src[start+1 : start+1+end]
	p.pos = start + 1 + end + 1
	if text == "" {
		return "", errorAt(start, 2, "the name is empty")
	}
	for i, r := range text {
		if !unicode.IsPrint(r) {
			return "", errorAt(start+1+i, utf8.RuneLen(r), "a name holds printable characters only")
		}
	}
	return text, nil
}

// foreign catches what other tools let follow a metric: p(95), {tag:value}.
func (p *parser) foreign(parts []part) *SyntaxError {
	rest := p.rest()
	last := parts[len(parts)-1]
	switch {
	case strings.HasPrefix(rest, "(") && last.text == "p" && !last.quoted:
		digits := rest[1:][:numberLength(rest[1:])]
		end := strings.IndexByte(rest, ')')
		if digits == "" || end < 0 {
			digits, end = "95", len(rest)-1
		}
		name := "LOAD"
		if len(parts) > 1 && !strings.HasPrefix(parts[0].text, "http_") {
			name = joinParts(parts[:len(parts)-1])
		}
		limit := strings.TrimLeft(rest[end+1:], " \t<=>")
		if n := numberLength(limit); n > 0 {
			limit = limit[:n] + "ms"
		} else {
			limit = "500ms"
		}
		return errorAt(last.offset, last.length+end+1, "p(%s) is how k6 writes a percentile", digits).
			hint("write %s.p%s < %s, naming the load and the unit", name, strings.TrimPrefix(digits, "-"), limit)
	case strings.HasPrefix(rest, "("):
		return errorAt(p.pos, 1, "metrics take no arguments").hint("write something like browse.p99 < 300ms")
	case strings.HasPrefix(rest, "{"), strings.HasPrefix(rest, "["):
		return errorAt(p.pos, 1, "metrics take no tags").
			hint("a step is LOAD.STEP.p99, an outcome LOAD.ok.p99, a status LOAD.status.503")
	}
	return nil
}

func joinParts(parts []part) string {
	var texts []string
	for _, p := range parts {
		if p.quoted {
			texts = append(texts, `"`+p.text+`"`)
		} else {
			texts = append(texts, p.text)
		}
	}
	return strings.Join(texts, ".")
}

// comparison reads the operator and its value, or a range. It gives the
// places of the values, for the errors of later checks.
func (p *parser) comparison(s *statement) (values []part, err *SyntaxError) {
	p.space()
	start := p.pos
	for p.pos < len(p.src) && strings.IndexByte("<>=!~&|", p.src[p.pos]) >= 0 {
		p.pos++
	}
	sign := p.src[start:p.pos]
	switch op := operator(sign); op {
	case less, lessEqual, greater, greaterEqual, equal, notEqual:
		s.op = op
		var at part
		s.high, at, err = p.value()
		return []part{at}, err
	case "":
		return p.between(s)
	}
	e := errorAt(start, len(sign), "unknown operator %q", sign)
	switch sign {
	case "=<":
		return nil, e.hint("did you mean <=?")
	case "=>":
		return nil, e.hint("did you mean >=?")
	case "=", "===":
		return nil, e.hint("did you mean ==?")
	case "<>", "!", "~", "!==":
		return nil, e.hint("did you mean !=?")
	}
	return nil, e.hint("the operators are < <= > >= == != and a range such as 6..20")
}

// between reads a range LOW..HIGH, the one comparison without an operator.
func (p *parser) between(s *statement) (values []part, err *SyntaxError) {
	start := p.pos
	if numberLength(p.rest()) == 0 {
		return nil, p.missingOperator()
	}
	var low, high part
	if s.low, low, err = p.value(); err != nil {
		return nil, err
	}
	p.space()
	if !strings.HasPrefix(p.rest(), "..") {
		return nil, errorAt(start, low.length, "expected an operator before %s", low.text).
			hint("write < %[1]s, <= %[1]s, > %[1]s, >= %[1]s, == %[1]s, or a range such as %[1]s..%[1]s", low.text)
	}
	p.pos += 2
	if strings.HasPrefix(p.rest(), ".") {
		return nil, errorAt(p.pos-2, 3, "a range is written with two points").hint("as in 6..20")
	}
	s.op = inRange
	if s.high, high, err = p.value(); err != nil {
		return nil, err
	}
	return []part{low, high}, nil
}

var wordOperators = map[string]string{
	"≤": "<=", "≥": ">=", "≠": "!=", "is": "==", "equals": "==", "eq": "==", "ne": "!=", "not": "!=",
	"under": "<", "below": "<", "lt": "<", "lte": "<=", "le": "<=", "most": "<=",
	"over": ">", "above": ">", "gt": ">", "gte": ">=", "ge": ">=", "least": ">=", "at": "<=", "max": "<=",
}

func (p *parser) missingOperator() *SyntaxError {
	const expected = "an operator (< <= > >= == !=) or a range"
	word := p.peekWord()
	if _, size := utf8.DecodeRuneInString(word); size > 1 {
		word = word[:size]
	}
	if sign, ok := wordOperators[word]; ok {
		return errorAt(p.pos, len(word), "expected %s, found %q", expected, word).hint("did you mean %s?", sign)
	}
	if strings.HasPrefix(p.rest(), ":") {
		return p.unexpected(expected).hint("an objective names load and metric with points between: browse.p95 < 500ms")
	}
	return p.unexpected(expected).hint("write something like < 300ms, or 6..20")
}

// value reads one value and gives its place.
func (p *parser) value() (value, part, *SyntaxError) {
	p.space()
	start := p.pos
	if numberLength(p.rest()) == 0 {
		e := p.unexpected("a value")
		switch rest := p.rest(); {
		case strings.HasPrefix(rest, ".") && numberLength(rest[1:]) > 0:
			return value{}, part{}, e.hint("write 0%s, with a digit before the point", rest[:1+numberLength(rest[1:])])
		case strings.HasPrefix(rest, "$"):
			return value{}, part{}, e.hint("the variable is not defined")
		}
		return value{}, part{}, e.hint("values look like 300ms, 0.1%%, 500/s, 1KiB or 5")
	}
	for p.pos < len(p.src) && !strings.HasPrefix(p.rest(), "..") {
		r, size := utf8.DecodeRuneInString(p.rest())
		if !(unicode.IsLetter(r) || r < utf8.RuneSelf && isDigit(byte(r)) || strings.ContainsRune(".%/-_,", r)) {
			break
		}
		p.pos += size
	}
	raw := strings.TrimRight(p.src[start:p.pos], ",") // a comma behind it is no part of it
	p.pos = start + len(raw)
	at := part{text: raw, offset: start, length: len(raw)}
	if n := strings.IndexAny(raw, ",_"); n > 0 && isDigit(raw[n-1]) {
		if n+1 < len(raw) && isDigit(raw[n+1]) {
			return value{}, at, errorAt(start, len(raw), "digits are written without separators").
				hint("write %s", strings.NewReplacer(",", "", "_", "").Replace(raw))
		}
	}
	v, err := parseValue(raw, start)
	if err != nil {
		return v, at, err
	}
	// "300 ms": said here, because later the unit would look like a clause.
	if v.unit == plain {
		before := p.pos
		p.space()
		word := p.peekWord()
		if word != "" && before != p.pos && isUnit(word) {
			return v, at, errorAt(p.pos, len(word), "a unit stands directly behind its number").hint("did you mean %s%s?", raw, word)
		}
		p.pos = before
	}
	return v, at, nil
}

func isUnit(word string) bool {
	return word == "%" || durationUnits[word] != 0 || byteUnits[word] != 0 || misspeltUnits[word] != "" || perSecond[word] != 0
}

// clauses reads all that may follow the comparison.
func (p *parser) clauses(s *statement) *SyntaxError {
	seen := map[string]bool{}
	for p.space(); p.pos < len(p.src); p.space() {
		start := p.pos
		word := p.peekWord()
		if word == "" || !slices.Contains(keywords[:5], word) {
			return p.notAClause(word)
		}
		if seen[word] {
			return errorAt(start, len(word), "%q is given twice", word).hint("each clause stands at most once")
		}
		seen[word] = true
		p.pos += len(word)
		var err *SyntaxError
		switch word {
		case "in":
			s.phase, err = p.name("phase", Phase)
		case "while":
			err = p.while(s)
		case "within":
			s.within, err = p.length(word, true)
		case "after":
			s.after, err = p.length(word, false)
		case "for":
			s.hold, err = p.length(word, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var wordClauses = map[string]string{
	"during": "in PHASE or while FAULT", "when": "while FAULT", "whilst": "while FAULT", "with": "while FAULT",
	"over": "within DURATION", "every": "within DURATION", "per": "within DURATION", "window": "within DURATION",
	"since": "after DURATION", "skip": "after DURATION", "delay": "after DURATION",
	"phase": "in PHASE", "on": "in PHASE", "at": "in PHASE", "until": "in PHASE",
}

func (p *parser) notAClause(word string) *SyntaxError {
	const expected = "a clause (in, within, after, while, for) or the end"
	if strings.HasPrefix(p.rest(), "&&") || strings.HasPrefix(p.rest(), ",") || strings.HasPrefix(p.rest(), ";") ||
		strings.HasPrefix(p.rest(), "||") || word == "and" || word == "or" {
		return p.unexpected(expected).hint("an objective says one thing: write the other one as an objective of its own")
	}
	e := p.unexpected(expected)
	if meant, ok := wordClauses[word]; ok {
		return e.hint("did you mean %s?", meant)
	}
	if near := suggest(word, keywords[:5]); word != "" && near != "" {
		return e.hint("did you mean %s?", near)
	}
	return e
}

func (p *parser) while(s *statement) *SyntaxError {
	p.space()
	if p.peekWord() == "calm" {
		s.calm = true
		p.pos += len("calm")
		return nil
	}
	name, err := p.name("fault, or calm", Fault)
	if err != nil {
		return err
	}
	s.fault = name
	return nil
}

// name reads the name of a phase or a fault. Points are allowed in it: nothing
// can follow one.
func (p *parser) name(what, role string) (string, *SyntaxError) {
	p.space()
	start := p.pos
	if strings.HasPrefix(p.rest(), `"`) {
		text, err := p.quoted()
		p.refer(role, text, start, p.pos-start)
		return text, err
	}
	for p.pos < len(p.src) && (isNameByte(p.src[p.pos]) || p.src[p.pos] == '.') {
		p.pos++
	}
	text := p.src[start:p.pos]
	if text == "" {
		return "", p.unexpected("the name of a " + what)
	}
	if slices.Contains(keywords, text) {
		return "", errorAt(start, len(text), "expected the name of a %s, found the word %q", what, text).
			hint(`a name that is a word of the language is written in quotes: "%s"`, text)
	}
	p.refer(role, text, start, len(text))
	return text, nil
}

// length reads the duration of a clause. Journals are by the second, so that
// what slides and what holds does too.
func (p *parser) length(clause string, whole bool) (time.Duration, *SyntaxError) {
	v, at, err := p.value()
	switch {
	case err != nil:
		return 0, err
	case v.unit == plain:
		return 0, errorAt(at.offset, at.length, "a unit is never optional").hint("did you mean %ss?", at.text)
	case v.unit != duration:
		return 0, errorAt(at.offset, at.length, "%q takes a duration, found %s", clause, v.unit).hint("as in %s 30s", clause)
	}
	d := time.Duration(v.base.Num().Int64())
	switch {
	case d <= 0:
		return 0, errorAt(at.offset, at.length, "%q takes a duration above zero", clause)
	case whole && d%time.Second != 0:
		return 0, errorAt(at.offset, at.length, "%q takes whole seconds: what is measured is kept by the second", clause).
			hint("did you mean %s?", formatDuration((d + time.Second - 1).Truncate(time.Second)))
	}
	return d, nil
}

func (p *parser) refer(role, name string, offset, length int) {
	p.refs = append(p.refs, Reference{Role: role, Name: name, Offset: offset, Length: length})
}

func (p *parser) rest() string { return p.src[p.pos:] }

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

// peekWord is the run of letters (of any script, and signs that stand for
// operators) that comes next.
func (p *parser) peekWord() string {
	rest := p.rest()
	for i, r := range rest {
		if !(unicode.IsLetter(r) || r == '_' || r == '%' || r == '/' || r >= utf8.RuneSelf || i > 0 && r < utf8.RuneSelf && isNameByte(byte(r))) {
			return rest[:i]
		}
	}
	return rest
}

// unexpected says what was expected and what stands there instead.
func (p *parser) unexpected(expected string) *SyntaxError {
	if p.pos == len(p.src) {
		return errorAt(p.pos, 1, "expected %s, found the end", expected)
	}
	found := p.peekWord()
	if found == "" {
		found = p.rest()[:max(1, numberLength(p.rest()))]
	}
	return errorAt(p.pos, len(found), "expected %s, found %q", expected, found)
}
