// Package journaltest plays scripts that tell a run in words and ask questions
// about it, for the tests of what reads journals.
package journaltest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A World is a run in the making.
type World interface {
	// Do takes one line of a script as its words: it makes something known of
	// the run, or answers a question in lines. It panics where a word cannot be
	// read, as Span, Duration and Number do.
	Do(words []string) (answer []string, err error)
}

// Play plays every testdata/*.test, each in a world of its own. Behind # is a
// comment. Under a question stands, indented by a tab, the answer that is
// expected; update writes the answers found in its place.
func Play(t *testing.T, update bool, world func() World) {
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test"), func(t *testing.T) { play(t, file, update, world()) })
	}
}

func play(t *testing.T, file string, update bool, w World) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	lines := bufio.NewScanner(strings.NewReader(string(src)))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "\t") {
			continue // what was found before
		}
		fmt.Fprintln(&got, line)
		answer, err := do(w, line)
		if err != nil {
			t.Fatalf("%s:%d: %s: %v", file, n, line, err)
		}
		for _, l := range answer {
			fmt.Fprintf(&got, "\t%s\n", l)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(src), got.String()); diff != "" {
		t.Errorf("%s (run with -update to accept)\n%s", file, diff)
	}
}

func do(w World, line string) (answer []string, err error) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot read: %v", r)
		}
	}()
	return w.Do(words)
}

// Span reads FROM..TO.
func Span(s string) (from, to time.Duration) {
	a, b, _ := strings.Cut(s, "..")
	return Duration(a), Duration(b)
}

// Duration reads a duration as Go writes it.
func Duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Number reads a number.
func Number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// Object reads AT[±WITHIN] PROBE OBJECT WHAT [FROM->TO] [on=NODE] [TEXT]: what
// a probe saw happen to an object. It is known once it must have happened.
func Object(words []string) journal.Event {
	at, within, _ := strings.Cut(words[0], "±")
	o := &journal.Object{At: Duration(at), Object: words[2], What: words[3]}
	if within != "" {
		o.Within = Duration(within)
	}
	rest := words[4:]
	if len(rest) > 0 {
		if a, b, ok := strings.Cut(rest[0], "->"); ok {
			from, to := Number(a), Number(b)
			o.From, o.To, rest = &from, &to, rest[1:]
		}
	}
	if len(rest) > 0 {
		if on, ok := strings.CutPrefix(rest[0], "on="); ok {
			o.On, rest = on, rest[1:]
		}
	}
	o.Text = strings.Join(rest, " ")
	return journal.Event{At: max(o.At+o.Within, 0), Kind: journal.ObjectEvent, Name: words[1], Object: o}
}
