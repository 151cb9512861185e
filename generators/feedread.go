package generators

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds one line of a JSONL file.
const maxLine = 16 << 20

// ReadCSV reads comma-separated values (RFC 4180) whose first line names the
// columns. A byte order mark is skipped, blank lines too; spaces around a
// column's name are cut, values are kept as written. Every error in the
// file's text names the line it is on.
func ReadCSV(r io.Reader) (columns []string, rows [][]string, err error) {
	in, err := skipBOM(r)
	if err != nil {
		return nil, nil, fmt.Errorf("read csv: %w", err)
	}
	c := csv.NewReader(in)
	c.FieldsPerRecord = -1 // counted here, for an error that says what was expected
	columns, err = c.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("read csv: the file is empty; its first line must name the columns")
	}
	if err != nil {
		return nil, nil, csvError(err)
	}
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	if _, err := indexColumns(columns); err != nil {
		line, _ := c.FieldPos(0)
		return nil, nil, fmt.Errorf("read csv: line %d: %w", line, err)
	}
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return columns, rows, nil
		}
		if err != nil {
			return nil, nil, csvError(err)
		}
		if len(row) != len(columns) {
			line, _ := c.FieldPos(0)
			return nil, nil, fmt.Errorf("read csv: line %d has %s, the header has %d", line, plural(len(row), "value"), len(columns))
		}
		rows = append(rows, row)
	}
}

// csvError puts a syntax error in words of our own: package csv's mention
// records, and quote marks by their names in Go.
func csvError(err error) error {
	var syntax *csv.ParseError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("read csv: %w", err)
	}
	what := syntax.Err.Error()
	switch {
	case errors.Is(syntax.Err, csv.ErrBareQuote):
		what = `a quote mark in the middle of a value; put the whole value in quotes and double the one inside`
	case errors.Is(syntax.Err, csv.ErrQuote):
		what = `a quoted value that does not end, or goes on after its closing quote`
	}
	if syntax.StartLine != syntax.Line {
		return fmt.Errorf("read csv: line %d: %s (the row begins on line %d)", syntax.Line, what, syntax.StartLine)
	}
	return fmt.Errorf("read csv: line %d: %s", syntax.Line, what)
}

// ReadJSONL reads one JSON object a line. The columns are the keys of the
// first, in its order; each later line must have the same keys, in any order.
// An object within becomes columns of its own, one level deep: {"a": {"b": 1}}
// is column "a.b". Numbers are kept as written, strings are unquoted, null is
// the empty string, and what is nested deeper, like a list, is kept as compact
// JSON. Blank lines and a byte order mark are skipped. A line may be 16 MiB
// long. Every error in the file's text names the line it is on.
func ReadJSONL(r io.Reader) (columns []string, rows [][]string, err error) {
	in, err := skipBOM(r)
	if err != nil {
		return nil, nil, fmt.Errorf("read jsonl: %w", err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	var index map[string]int
	var first, line int // line numbers
	for lines.Scan() {
		line++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		keys, values, err := flatten(lines.Bytes())
		if err != nil {
			return nil, nil, fmt.Errorf("read jsonl: line %d: %w", line, err)
		}
		if index == nil {
			if index, err = indexColumns(keys); err != nil {
				return nil, nil, fmt.Errorf("read jsonl: line %d: %w", line, err)
			}
			columns, first = keys, line
			rows = append(rows, values)
			continue
		}
		row, err := arrange(index, columns, keys, values, first)
		if err != nil {
			return nil, nil, fmt.Errorf("read jsonl: line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, nil, fmt.Errorf("read jsonl: line %d: longer than %d MiB", line+1, maxLine>>20)
	case err != nil:
		return nil, nil, fmt.Errorf("read jsonl: %w", err)
	case index == nil:
		return nil, nil, errors.New("read jsonl: the file is empty; each line must hold one JSON object")
	}
	return columns, rows, nil
}

// arrange puts one line's values in the order of the columns. A key too many
// or too few is an error here, before any traffic, instead of a reference
// without a value in the middle of the run.
func arrange(index map[string]int, columns, keys, values []string, first int) ([]string, error) {
	row := make([]string, len(columns))
	have := make([]bool, len(columns))
	for i, k := range keys {
		at, ok := index[k]
		if !ok {
			return nil, fmt.Errorf("key %q is not in the first object, on line %d", k, first)
		}
		if have[at] {
			return nil, fmt.Errorf("key %q is there twice", k)
		}
		row[at], have[at] = values[i], true
	}
	for i, ok := range have {
		if !ok {
			return nil, fmt.Errorf("no key %q, which the first object, on line %d, has", columns[i], first)
		}
	}
	return row, nil
}

// flatten splits one JSON object into keys and values, in order, one level of
// nested objects joined by a dot.
func flatten(line []byte) (keys, values []string, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if err := members(d, func(key string, raw json.RawMessage) error {
		if raw[0] != '{' {
			keys, values = append(keys, key), append(values, text(raw))
			return nil
		}
		return members(json.NewDecoder(bytes.NewReader(raw)), func(inner string, raw json.RawMessage) error {
			keys, values = append(keys, key+"."+inner), append(values, text(raw))
			return nil
		})
	}); err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("something follows the object; each line must hold exactly one")
	}
	return keys, values, nil
}

// members calls each for the members of the object that d reads next.
func members(d *json.Decoder, each func(key string, value json.RawMessage) error) error {
	open, err := d.Token()
	if err != nil {
		return jsonError(err)
	}
	if open != json.Delim('{') {
		return errors.New(`not a JSON object, like {"id": 1}`)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return jsonError(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return jsonError(err)
		}
		if err := each(key.(string), value); err != nil { // the decoder lets nothing but a string stand there
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return jsonError(err)
	}
	return nil
}

// text is a valid JSON value as a feed gives it out.
func text(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
	case 'n': // null
		return ""
	case '{', '[':
		var b bytes.Buffer
		if json.Compact(&b, raw) == nil {
			return b.String()
		}
	}
	return string(raw) // a number, true or false, as written
}

// jsonError says of an object that breaks off that it does, instead of "EOF".
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON object does not end on this line")
	}
	return err
}

// skipBOM skips UTF-8's byte order mark, which spreadsheets write, and errs
// on those of UTF-16, whose text would come out as noise.
func skipBOM(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		if _, err := in.Discard(3); err != nil {
			return nil, err
		}
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, errors.New("the file is UTF-16; save it as UTF-8")
	}
	return in, nil
}
