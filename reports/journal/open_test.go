package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

func write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A crash cuts a file anywhere. Everything before the line it cut is there.
func TestCutAnywhere(t *testing.T) {
	dir, w := create(t)
	appendAll(t, w, run(3))
	for _, name := range []string{journal.EventsFile, journal.LatencyFile} {
		t.Run(name, func(t *testing.T) {
			content := read(t, dir, name)
			defer write(t, dir, name, content)
			// count returns what is read: events, or samples.
			count := func(j *journal.Journal) int64 {
				if name == journal.EventsFile {
					return int64(len(j.Events()))
				}
				var n int64
				for _, m := range []journal.Measure{journal.Response, journal.Service, journal.Wait} {
					n += j.Window("shop", "", 0, time.Hour).Count(m, journal.All)
				}
				return n
			}
			// The last three lines, and the last byte of the one before.
			from := len(content) - 1
			for range 3 {
				from = bytes.LastIndexByte(content[:from], '\n')
			}
			whole := int64(-1) // read from the whole lines up to the cut
			for cut := from; cut <= len(content); cut++ {
				write(t, dir, name, content[:cut])
				j := open(t, dir)
				got := count(j)
				torn := content[cut-1] != '\n'
				complete := cut == len(content) || content[cut] == '\n' // all of the line is there
				switch {
				case !torn:
					if len(j.Damage) > 0 || got < whole {
						t.Fatalf("cut to %d, at a line's end: %d read, damage %q", cut, got, j.Damage)
					}
					whole = got
				case complete:
					if len(j.Damage) > 0 {
						t.Fatalf("cut to %d, before the newline: damage %q", cut, j.Damage)
					}
				case len(j.Damage) != 1 || !strings.Contains(j.Damage[0], name) || !strings.Contains(j.Damage[0], "torn"):
					t.Fatalf("cut to %d: damage %q", cut, j.Damage)
				case got != whole && whole >= 0:
					t.Fatalf("cut to %d: %d read, want %d", cut, got, whole)
				}
			}
			if whole <= 0 {
				t.Fatalf("nothing was compared")
			}
		})
	}
}

func TestDamage(t *testing.T) {
	const event, interval = journal.EventsFile, journal.LatencyFile
	lines := func(f func(n int, line string) string) func([]byte) []byte {
		return func(b []byte) []byte {
			parts := strings.SplitAfter(string(b), "\n")
			for i := range parts {
				parts[i] = f(i+1, parts[i])
			}
			return []byte(strings.Join(parts, ""))
		}
	}
	on := func(line int, f func(string) string) func([]byte) []byte {
		return lines(func(n int, s string) string {
			if n == line {
				return f(s)
			}
			return s
		})
	}
	tests := []struct {
		name   string
		file   string
		damage func([]byte) []byte
		lost   int // events; or of the log, which has 5 lines of headers, the interval on line 7
		want   []string
	}{
		{"nothing", event, func(b []byte) []byte { return b }, 0, nil},
		{"empty lines are no harm", event, lines(func(_ int, s string) string { return "\n" + s }), 0, nil},
		{"a half line in the middle, ended", event, on(3, func(s string) string { return s[:len(s)/2] + "\n" }), 1, []string{"events.jsonl line 3 is damaged"}},
		{"a half line run into the next", event, on(3, func(s string) string { return s[:len(s)/2] }), 2, []string{"events.jsonl line 3 is damaged"}},
		{"not an event", event, on(2, func(string) string { return "null\n" }), 1, []string{"events.jsonl line 2 is damaged (not an event)"}},
		{"zeros at the end, as a power cut leaves them", event, func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, 0, []string{"events.jsonl line 12 is torn"}},
		{"a line without end", event, func(b []byte) []byte { return append(b, bytes.Repeat([]byte("x"), 40<<20)...) }, 0, []string{"events.jsonl line 12 is torn: the file ends in it (longer than 16 MiB)"}},
		{"a long line, and good ones after it", event, on(2, func(s string) string { return strings.Repeat("x", 17<<20) + "\n" + s }), 0, []string{"events.jsonl line 2 is damaged (longer than 16 MiB)"}},
		{"everything", event, lines(func(_ int, s string) string { return "?" + s }), 11, []string{"line 1 ", "line 2 ", "line 3 ", "line 4 ", "line 5 ", "line 6 ", "line 7 ", "line 8 ", "line 9 ", "line 10 ", "events.jsonl: 2 more damaged lines"}},
		{"one character of a histogram", interval, on(7, func(s string) string { return strings.Replace(s, "HISTFAAAA", "HISTFAAAB", 1) }), 1, []string{"latency.hlog line 7 is damaged"}},
		{"an interval without a tag", interval, on(7, func(s string) string { return s[strings.Index(s, ",")+1:] }), 1, []string{"latency.hlog line 7 is damaged (not an interval with a tag)"}},
		{"a tag of another tool", interval, on(7, func(s string) string { return "Tag=A" + s[strings.Index(s, ","):] }), 1, []string{"latency.hlog line 7 is damaged (tag \"A\" is not load/step/outcome/measure)"}},
		{"a start that is no number", interval, on(7, func(s string) string { return strings.Replace(s, ",", ",-", 1) }), 1, []string{"latency.hlog line 7 is damaged (start"}},
		{"the headers", interval, lines(func(_ int, s string) string {
			if strings.HasPrefix(s, "#") {
				return "#" + s[len(s)/2:]
			}
			return s
		}), 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, w := create(t)
			batches := run(3)
			appendAll(t, w, batches)
			events, samples := 0, int64(0)
			var second int64
			for _, b := range batches {
				events += len(b.Events)
				for i, iv := range b.Intervals {
					samples += iv.Hist.TotalCount()
					if i == 1 && second == 0 {
						second = iv.Hist.TotalCount()
					}
				}
			}
			if tt.file == event {
				events -= tt.lost
			} else {
				samples -= int64(tt.lost) * second
			}
			write(t, dir, tt.file, tt.damage(read(t, dir, tt.file)))
			j := open(t, dir)
			if len(j.Damage) != len(tt.want) {
				t.Fatalf("damage %q, want %q", j.Damage, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(j.Damage[i], want) {
					t.Errorf("damage %q, want %q", j.Damage[i], want)
				}
			}
			if got := len(j.Events()); got != events {
				t.Errorf("%d events, want %d", got, events)
			}
			all := j.Window("shop", "", 0, time.Hour)
			got := all.Count(journal.Response, journal.All) + all.Count(journal.Service, journal.All) + all.Count(journal.Wait, journal.All)
			if got != samples {
				t.Errorf("%d samples, want %d", got, samples)
			}
		})
	}
}

func TestMissingFiles(t *testing.T) {
	dir, w := create(t)
	appendAll(t, w, run(2))
	for _, name := range []string{journal.EventsFile, journal.LatencyFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(open(t, dir).Damage); got != "[events.jsonl is missing latency.hlog is missing]" {
		t.Errorf("damage %s", got)
	}
}

func TestOpenFails(t *testing.T) {
	tests := []struct {
		name, plan string
		want       string
	}{
		{"a plan of a later version", `{"version": 2}`, "version 2, and this brunt reads up to 1"},
		{"a plan that is none", `{"version": 1`, "plan.json"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		write(t, dir, journal.PlanFile, []byte(tt.plan))
		if _, err := journal.Open(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := journal.Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory without a run: %v", err)
	}
}
