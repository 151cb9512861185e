package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens anew")

// text is a screen as one reads it, without what makes it bold or coloured.
func text(rows []row, ascii bool) string {
	var b strings.Builder
	for _, r := range rows {
		line := ""
		for _, s := range r {
			line += s.text
		}
		if ascii {
			line = toASCII(line)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// screenAt is a screen of the scripted run a moment after second k.
func screenAt(k, w, h int) *screen {
	f := played(k)
	return &screen{snapshot: f.snapshot(f.heard.Add(200 * time.Millisecond)), width: w, height: h}
}

func TestScreens(t *testing.T) {
	type shot struct {
		name   string
		second int
		change func(*screen)
	}
	focus := func(p pane) func(*screen) { return func(s *screen) { s.focus, s.chosen = p, true } }
	everywhere := []shot{
		{"before the run", 0, nil},
		{"in the surge", 24, nil},
		{"with a fault in place", 48, nil},
		{"undoing them", 48, func(s *screen) { s.asked.undo = true }},
		{"stopping", 48, func(s *screen) { s.asked.stop = true }},
		{"objectives chosen", 48, focus(objectivesPane)},
		{"over", 71, nil},
		{"over with a fault in place", 48, func(s *screen) { s.ended, s.state, s.why = true, "aborted", "browse.errors was 61%" }},
		{"help", 48, func(s *screen) { s.help = true }},
	}
	sizes := []struct {
		w, h  int
		ascii bool
		shots []shot
	}{
		{60, 16, false, append(everywhere, shot{"faults chosen", 48, focus(faultsPane)}, shot{"probes chosen", 48, focus(probesPane)}, shot{"events chosen", 48, focus(logPane)},
			shot{"events scrolled up", 48, func(s *screen) { focus(logPane)(s); s.scroll[logPane] = 3 }})},
		{80, 24, false, append(everywhere, shot{"loads chosen", 48, focus(loadsPane)}, shot{"objectives scrolled", 48, func(s *screen) { focus(objectivesPane)(s); s.scroll[objectivesPane] = 4 }})},
		{80, 24, true, everywhere},
		{120, 35, false, everywhere},
		{200, 50, false, everywhere},
		{40, 10, false, everywhere[:2]},
	}
	for _, size := range sizes {
		name := fmt.Sprintf("%dx%d", size.w, size.h)
		if size.ascii {
			name += "-ascii"
		}
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, shot := range size.shots {
				s := screenAt(shot.second, size.w, size.h)
				if shot.change != nil {
					shot.change(s)
				}
				rows := s.rows()
				exact(t, shot.name, rows, size.w, size.h)
				fmt.Fprintf(&got, "=== %s\n%s", shot.name, text(rows, size.ascii))
			}
			golden(t, filepath.Join("testdata", name+".golden"), got.String())
		})
	}
}

// exact checks that a screen fills its window to the cell.
func exact(t *testing.T, name string, rows []row, w, h int) {
	t.Helper()
	if w < leastWidth || h < leastHeight {
		if len(rows) > max(h, 0) {
			t.Errorf("%s: %d rows in a window of %d", name, len(rows), h)
		}
		return
	}
	if len(rows) != h {
		t.Errorf("%s at %d×%d: %d rows", name, w, h, len(rows))
	}
	for i, r := range rows {
		if r.width() != w {
			t.Errorf("%s at %d×%d: row %d has %d cells: %q", name, w, h, i, r.width(), text([]row{r}, false))
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// Whatever the window, a screen fills it and no more.
func TestScreensFillEverySize(t *testing.T) {
	f := played(48)
	snap := f.snapshot(f.heard)
	for w := 0; w <= 210; w += 3 {
		for h := 0; h <= 60; h++ {
			for p := range panes {
				s := &screen{snapshot: snap, width: w, height: h, focus: p, chosen: h%2 == 0}
				exact(t, p.String(), s.rows(), w, h)
			}
		}
	}
}

// Without colour, no colour is sent; the words are the same.
func TestNoColor(t *testing.T) {
	rows := screenAt(48, 120, 35).rows()
	colored, bare := newPalette(true, true).paint(rows), newPalette(false, true).paint(rows)
	if !strings.Contains(colored, "\x1b[3") {
		t.Error("a palette of colours sends none")
	}
	for _, code := range []string{"\x1b[3", "\x1b[4", "\x1b[9", ";3", ";9"} {
		if strings.Contains(bare, code) {
			t.Errorf("a palette without colours sends %q", code)
		}
	}
}

// Where the locale is not UTF-8, nothing but ASCII is sent.
func TestASCII(t *testing.T) {
	for _, k := range []int{0, 24, 48, 71} {
		out := newPalette(true, false).paint(screenAt(k, 120, 35).rows())
		for _, r := range out {
			if r > 0x7e || r < ' ' && r != '\n' && r != 0x1b {
				t.Fatalf("after %d s: %q is sent", k, r)
			}
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	f := played(60)
	p := newPalette(true, true)
	for _, size := range [][2]int{{80, 24}, {120, 35}, {200, 50}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := &screen{snapshot: f.snapshot(f.heard), width: size[0], height: size[1]}
				_ = p.paint(s.rows())
			}
		})
	}
}
