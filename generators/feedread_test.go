package generators

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestReadCSV(t *testing.T) {
	tests := []struct {
		name, in string
		columns  []string
		rows     [][]string
		err      string
	}{
		// The plain case, with and without a line end after the last line.
		{"plain", "id,name\n1,Ada\n2,Bob", []string{"id", "name"}, [][]string{{"1", "Ada"}, {"2", "Bob"}}, ""},
		{"windows line ends", "id,name\r\n1,Ada\r\n", []string{"id", "name"}, [][]string{{"1", "Ada"}}, ""},
		// What a spreadsheet saves begins with a byte order mark.
		{"byte order mark", "\xef\xbb\xbfid\n1\n", []string{"id"}, [][]string{{"1"}}, ""},
		// Quotes hold commas, line ends and doubled quotes.
		{"quotes", "a,b\n\"x,\"\"y\"\"\nz\",2\n", []string{"a", "b"}, [][]string{{"x,\"y\"\nz", "2"}}, ""},
		// Column names are trimmed, so that they can be referred to; values are not.
		{"spaces", " a , b\n 1 , 2\n", []string{"a", "b"}, [][]string{{" 1 ", " 2"}}, ""},
		{"blank lines", "\na,b\n\n1,2\n\n", []string{"a", "b"}, [][]string{{"1", "2"}}, ""},
		{"empty values", "a,b\n,\n", []string{"a", "b"}, [][]string{{"", ""}}, ""},
		// A header alone is read; that a feed needs rows is NewFeed's business.
		{"header only", "a,b\n", []string{"a", "b"}, nil, ""},
		{"empty", "", nil, nil, "read csv: the file is empty; its first line must name the columns"},
		{"byte order mark only", "\xef\xbb\xbf", nil, nil, "the file is empty"},
		{"UTF-16", "\xff\xfea\x00", nil, nil, "read csv: the file is UTF-16; save it as UTF-8"},
		// The line is the file's, blank lines and quoted line ends counted.
		{"short row", "a,b\n\n\"x\ny\",1\n2\n", nil, nil, "read csv: line 5 has 1 value, the header has 2"},
		{"long row", "a,b\n1,2,3\n", nil, nil, "read csv: line 2 has 3 values, the header has 2"},
		{"column twice", "\na,b,a\n", nil, nil, `read csv: line 2: columns 1 and 3 are both named "a"`},
		{"column without a name", "a, ,b\n", nil, nil, "read csv: line 1: column 2 has no name"},
		{"bare quote", "a\nx\"y\n", nil, nil, "read csv: line 2: a quote mark in the middle of a value"},
		{"open quote", "a\n1\n\"x\ny\n", nil, nil, "read csv: line 4: a quoted value that does not end, or goes on after its closing quote (the row begins on line 3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			columns, rows, err := ReadCSV(strings.NewReader(tt.in))
			checkRead(t, columns, rows, err, tt.columns, tt.rows, tt.err)
		})
	}
}

func TestReadJSONL(t *testing.T) {
	tests := []struct {
		name, in string
		columns  []string
		rows     [][]string
		err      string
	}{
		// The first line's keys in its order, the others' in any.
		{"plain", "{\"id\": 1, \"name\": \"Ada\"}\n{\"name\":\"Bob\",\"id\":2}\n", []string{"id", "name"}, [][]string{{"1", "Ada"}, {"2", "Bob"}}, ""},
		// Numbers keep every digit, and their notation.
		{"numbers", `{"a": 12345678901234567890, "b": 1.10, "c": 1e3, "d": -0}`, []string{"a", "b", "c", "d"}, [][]string{{"12345678901234567890", "1.10", "1e3", "-0"}}, ""},
		{"other values", `{"a": true, "b": null, "c": "x\n\u00e9"}`, []string{"a", "b", "c"}, [][]string{{"true", "", "x\né"}}, ""},
		// One level of objects becomes columns; what is deeper stays JSON.
		{"nested", `{"u": {"id": 1, "tags": [ 1, "x" ], "geo": { "lat": 1.50 }}, "list": [ ], "none": {}}`,
			[]string{"u.id", "u.tags", "u.geo", "list"}, [][]string{{"1", `[1,"x"]`, `{"lat":1.50}`, "[]"}}, ""},
		{"blank lines, byte order mark", "\xef\xbb\xbf\n {\"a\":1} \r\n\t\n{\"a\":2}", []string{"a"}, [][]string{{"1"}, {"2"}}, ""},
		{"empty", "\n\n", nil, nil, "read jsonl: the file is empty; each line must hold one JSON object"},
		{"UTF-16", "\xfe\xff\x00{", nil, nil, "the file is UTF-16"},
		{"no keys", "{}", nil, nil, "read jsonl: line 1: no columns"},
		{"not an object", "{\"a\":1}\n[1]\n", nil, nil, `read jsonl: line 2: not a JSON object, like {"id": 1}`},
		{"not JSON", "{\"a\":1}\n\nid=7\n", nil, nil, "read jsonl: line 3: invalid character 'i' looking for beginning of value"},
		{"broken off", "{\"a\":1\n}", nil, nil, "read jsonl: line 1: the JSON object does not end on this line"},
		{"broken off in a value", `{"a":"x`, nil, nil, "read jsonl: line 1: the JSON object does not end on this line"},
		{"two on a line", "{\"a\":1}\n{\"a\":2} {\"a\":3}", nil, nil, "read jsonl: line 2: something follows the object; each line must hold exactly one"},
		{"garbage behind", "{\"a\":1}x", nil, nil, "read jsonl: line 1: something follows the object"},
		{"key missing", "{\"a\":1,\"b\":2}\n{\"a\":1}", nil, nil, `read jsonl: line 2: no key "b", which the first object, on line 1, has`},
		{"key too many", "\n{\"a\":1}\n{\"a\":1,\"b\":2}", nil, nil, `read jsonl: line 3: key "b" is not in the first object, on line 2`},
		{"key twice", `{"a":1,"a":2}`, nil, nil, `read jsonl: line 1: columns 1 and 2 are both named "a"`},
		{"key twice, later", "{\"a\":1,\"b\":2}\n{\"a\":1,\"a\":2}", nil, nil, `read jsonl: line 2: key "a" is there twice`},
		// Flattening may bring two keys together.
		{"key twice, flattened", `{"a.b":1,"a":{"b":2}}`, nil, nil, `are both named "a.b"`},
		{"line too long", "{\"a\":1}\n{\"a\":\"" + strings.Repeat("x", maxLine) + "\"}", nil, nil, "read jsonl: line 2: longer than 16 MiB"},
		{"very deep", `{"a":` + strings.Repeat("[", 1e5), nil, nil, "read jsonl: line 1: invalid character '[' exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			columns, rows, err := ReadJSONL(strings.NewReader(tt.in))
			checkRead(t, columns, rows, err, tt.columns, tt.rows, tt.err)
		})
	}
}

func checkRead(t *testing.T, columns []string, rows [][]string, err error, wantColumns []string, wantRows [][]string, wantErr string) {
	t.Helper()
	if wantErr != "" {
		if err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("error is %v, want %q", err, wantErr)
		}
		return
	}
	if err != nil {
		t.Fatalf("error: %v", err)
	}
	if d := cmp.Diff(wantColumns, columns); d != "" {
		t.Errorf("columns (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantRows, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestReadersReportTheReader(t *testing.T) {
	broken := errors.New("disk on fire")
	tests := []struct {
		name string
		read func(io.Reader) ([]string, [][]string, error)
		in   string // before it breaks
	}{
		{"csv, at once", ReadCSV, ""},
		{"csv, in the header", ReadCSV, "id,na"},
		{"csv, in a row", ReadCSV, "id\n1\n"},
		{"jsonl, at once", ReadJSONL, ""},
		{"jsonl, in a row", ReadJSONL, "{\"a\":1}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := tt.read(io.MultiReader(strings.NewReader(tt.in), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				t.Errorf("error is %v, want the reader's", err)
			}
		})
	}
}

// FuzzReadCSV and FuzzReadJSONL: what is read makes a feed, or is empty.
func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfid,name\n1,\"a\n\"\"b\"\n"))
	f.Add([]byte("a,a\n\"x"))
	f.Fuzz(func(t *testing.T, in []byte) { fuzzRead(t, ReadCSV, string(in)) })
}

func FuzzReadJSONL(f *testing.F) {
	f.Add([]byte("{\"a\":{\"b\":1.0,\"c\":[ ]},\"d\":null}\n\n{\"d\":\"x\",\"a\":{\"c\":{},\"b\":true}}"))
	f.Add([]byte("{\"a\":1}{"))
	f.Fuzz(func(t *testing.T, in []byte) { fuzzRead(t, ReadJSONL, string(in)) })
}

func fuzzRead(t *testing.T, read func(io.Reader) ([]string, [][]string, error), in string) {
	columns, rows, err := read(strings.NewReader(in))
	if err != nil {
		if !strings.HasPrefix(err.Error(), "read ") {
			t.Fatalf("error %q does not say what failed", err)
		}
		return
	}
	if len(rows) == 0 {
		return
	}
	if _, err := NewFeed("f", columns, rows, FeedOptions{}); err != nil {
		t.Fatalf("what was read makes no feed: %v", err)
	}
}
