//go:build linux

package process

import (
	"slices"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	const rest = " 1 10 10 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 100"
	for _, test := range []struct {
		text string
		want stat
		ok   bool
	}{
		{"42 (shop) S" + rest, stat{"shop", 'S', 1, 4194304, 4711, 0}, true},
		{"42 (a) b) (c) T" + rest, stat{"a) b) (c", 'T', 1, 4194304, 4711, 0}, true}, // names are free
		{"42 () Z" + rest, stat{"", 'Z', 1, 4194304, 4711, 0}, true},
		{"42 (kworker) I 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 9", stat{"kworker", 'I', 2, 2129984, 9, 0}, true},
		{"", stat{}, false},
		{"42 shop S" + rest, stat{}, false},
		{"42 )shop( S" + rest, stat{}, false},
		{"42 (shop) S 1 10", stat{}, false},
		{"42 (shop) S x 10 10 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711", stat{}, false},
	} {
		got, err := parseStat([]byte(test.text))
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("parseStat(%q) = %+v, %v", test.text, got, err)
		}
	}
}

func TestListeningInodes(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
   2: 0201A8C0:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 103 1 0 100 0 0 10 0
   3: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 104 1 0 100 0 0 10 0
   4: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 105 1 0 100 0 0 10 0
   5: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 106 1
   6: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 107 1
   7: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 108 1
`
	// Not 103, on another address; 104, a connection; 105, another port.
	want := []string{"101", "102", "106", "107", "108"}
	if got, err := listeningInodes(strings.NewReader(table), 8080); !slices.Equal(got, want) || err != nil {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := listeningInodes(strings.NewReader("\n 0: x:1 0:0 0A 0 0 0 0 0 9"), 1); err == nil {
		t.Error("a table of another format: no error")
	}
}

func TestParsePid(t *testing.T) {
	for text, want := range map[string]int{
		"12\n": 12, " 12 ": 12, "12\n/var/lib/x\n": 12, // postgres writes more lines
		"": 0, "0": 0, "-1": 0, "x": 0, "12 13": 0, "99999999999999999999": 0,
	} {
		if got, err := parsePid(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("parsePid(%q) = %d, %v", text, got, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (shop) S 1 10 10 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 100")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStat([]byte(text)); err == nil && !strings.Contains(text, "("+s.name+")") {
			t.Errorf("name %q", s.name)
		}
	})
}

func FuzzParseSocket(f *testing.F) {
	f.Add("0100007F:1F90")
	f.Add("0000000000000000FFFF00000100007F:1F90")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := parseSocket(text); err == nil && !a.IsValid() {
			t.Errorf("%q is %v", text, a)
		}
	})
}

func FuzzParsePid(f *testing.F) {
	f.Add("12\n")
	f.Fuzz(func(t *testing.T, text string) {
		if pid, err := parsePid(text); err == nil && pid <= 0 {
			t.Errorf("%q is %d", text, pid)
		}
	})
}
