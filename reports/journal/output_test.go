package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A badDisk is a file that takes so many more bytes and can or cannot be cut.
type badDisk struct {
	bytes.Buffer
	name     string
	room     int
	cut      bool // Truncate works
	closeErr error
}

func (d *badDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.Buffer.Write(b[:n])
	d.room -= n
	if n < len(b) {
		return n, &fs.PathError{Op: "write", Path: d.name, Err: syscall.ENOSPC}
	}
	return n, nil
}

func (d *badDisk) Truncate(size int64) error {
	if !d.cut {
		return errors.New("cannot truncate")
	}
	d.room += d.Len() - int(size)
	d.Buffer.Truncate(int(size))
	return nil
}

func (d *badDisk) Sync() error  { return d.closeErr }
func (d *badDisk) Close() error { return nil }

func TestOutputOnAFullDisk(t *testing.T) {
	type step struct {
		room int    // bytes the disk takes from here on
		line string // what is written
		err  bool
		want string // all there is in the file afterwards
	}
	tests := []struct {
		name  string
		cut   bool
		steps []step
	}{
		{
			// What was written of a line is taken back, and the next is whole.
			"half a line is taken back", true, []step{
				{100, "one\n", false, "one\n"},
				{2, "two\n", true, "one\n"},
				{0, "two\n", true, "one\n"},
				{100, "three\n", false, "one\nthree\n"},
			},
		},
		{
			// It cannot be, so it is ended before the next line.
			"half a line is ended", false, []step{
				{100, "one\n", false, "one\n"},
				{2, "two\n", true, "one\ntw"},
				{0, "two\n", true, "one\ntw"},
				{1, "three\n", true, "one\ntw\n"},
				{100, "three\n", false, "one\ntw\nthree\n"},
			},
		},
		{
			// Nothing was written: nothing to end.
			"nothing written", false, []step{
				{0, "one\n", true, ""},
				{100, "one\n", false, "one\n"},
			},
		},
		{
			// Of two lines, one and a half: both are taken back together.
			"a batch is whole or not there", true, []step{
				{6, "one\ntwo\n", true, ""},
				{100, "one\ntwo\n", false, "one\ntwo\n"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &badDisk{cut: tt.cut}
			o := &output{file: d}
			for i, s := range tt.steps {
				d.room = s.room
				if err := o.write([]byte(s.line)); (err != nil) != s.err {
					t.Fatalf("step %d: %v", i, err)
				}
				if got := d.String(); got != s.want {
					t.Fatalf("step %d: %q, want %q", i, got, s.want)
				}
			}
			if o.torn != 0 || o.size != int64(d.Len()) {
				t.Errorf("thinks it has %d bytes and %d torn, of %d", o.size, o.torn, d.Len())
			}
		})
	}
}

// oneSecond is a batch with something for both files.
func oneSecond(at time.Duration) Batch {
	h := NewHistogram()
	if err := h.RecordValue(int64(time.Millisecond)); err != nil {
		panic(err)
	}
	return Batch{
		Events:    []Event{{At: at, Kind: Note, Text: fmt.Sprint(at)}},
		Intervals: []Interval{{Load: "shop", Step: "list", Outcome: OutcomeOK, Measure: Response, Start: at, Length: time.Second, Hist: h}},
	}
}

// Wherever the disk fills up in whichever file, Append says which, takes the
// batch back, and goes on when there is room again.
func TestWriterOnAFullDisk(t *testing.T) {
	for _, full := range []string{EventsFile, LatencyFile} {
		for _, cut := range []bool{true, false} {
			for room := range 80 {
				events, latency := &badDisk{name: EventsFile, room: 1 << 20, cut: true}, &badDisk{name: LatencyFile, room: 1 << 20, cut: true}
				w := &Writer{
					events:  &output{name: EventsFile, file: events},
					latency: &output{name: LatencyFile, file: latency},
					encoder: newEncoder(),
				}
				bad := map[string]*badDisk{EventsFile: events, LatencyFile: latency}[full]
				if err := w.Append(oneSecond(0)); err != nil {
					t.Fatal(err)
				}
				bad.room, bad.cut = room, cut
				err := w.Append(oneSecond(time.Second))
				if full == EventsFile && err == nil {
					continue // it fitted
				}
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(fmt.Sprint(err), full) {
					t.Fatalf("%s full after %d bytes: %v", full, room, err)
				}
				// With only its newline missing, a line that is ended is whole.
				tail := bad.Bytes()[bytes.LastIndexByte(bad.Bytes(), '\n')+1:]
				torn := len(tail) > 0 && !json.Valid(tail)
				written := 3
				if len(tail) > 0 && !torn {
					written++
				}
				bad.room = 1 << 20
				for s := range time.Duration(2) {
					if err := w.Append(oneSecond((2 + s) * time.Second)); err != nil {
						t.Fatal(err)
					}
				}
				dir := t.TempDir()
				for name, content := range map[string][]byte{PlanFile: []byte(`{"version": 1}`), EventsFile: events.Bytes(), LatencyFile: latency.Bytes()} {
					if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				j, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				damage := 0
				if torn {
					damage = 1 // the torn line, ended
				}
				if len(j.Damage) != damage {
					t.Fatalf("%s full after %d bytes, cut %v: damage %q", full, room, cut, j.Damage)
				}
				if len(j.Events()) != written || j.Window("shop", "", 0, time.Hour).Ops() != 3 {
					t.Fatalf("%s full after %d bytes, cut %v: %d events, %d operations", full, room, cut, len(j.Events()), j.Window("shop", "", 0, time.Hour).Ops())
				}
			}
		}
	}
}

func TestCloseTellsOfBothFiles(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	w := &Writer{events: &output{name: EventsFile, file: &badDisk{closeErr: a}}, latency: &output{name: LatencyFile, file: &badDisk{closeErr: b}}}
	if err := w.Close(); !errors.Is(err, a) || !errors.Is(err, b) {
		t.Errorf("got %v", err)
	}
}
