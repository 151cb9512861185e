package tui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/brunt-dev/brunt/reports/journal"
)

// pressed is the message of a key as a terminal sends it.
func pressed(name string) tea.KeyPressMsg {
	switch name {
	case "ctrl+u", "ctrl+c":
		return tea.KeyPressMsg{Code: rune(name[5]), Mod: tea.ModCtrl}
	case "ctrl+г": // ctrl+u on a Russian keyboard, in the Kitty protocol
		return tea.KeyPressMsg{Code: 'г', BaseCode: 'u', Mod: tea.ModCtrl}
	case "enter":
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	case "esc":
		return tea.KeyPressMsg{Code: tea.KeyEscape}
	case "tab":
		return tea.KeyPressMsg{Code: tea.KeyTab}
	case "shift+tab":
		return tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift}
	case "up":
		return tea.KeyPressMsg{Code: tea.KeyUp}
	case "down":
		return tea.KeyPressMsg{Code: tea.KeyDown}
	case "left":
		return tea.KeyPressMsg{Code: tea.KeyLeft}
	case "right":
		return tea.KeyPressMsg{Code: tea.KeyRight}
	case "home":
		return tea.KeyPressMsg{Code: tea.KeyHome}
	case "end":
		return tea.KeyPressMsg{Code: tea.KeyEnd}
	case "pgup":
		return tea.KeyPressMsg{Code: tea.KeyPgUp}
	case "pgdown":
		return tea.KeyPressMsg{Code: tea.KeyPgDown}
	}
	return tea.KeyPressMsg{Code: rune(name[0]), Text: name}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		name string
		keys string
		over bool
		did  string // what was asked of the run
		left bool
	}{
		{"one key undoes", "U", false, "undo", false},
		{"so does a chord", "ctrl+u", false, "undo", false},
		{"on any keyboard", "ctrl+г", false, "undo", false},
		{"small u is too easily hit", "u", false, "", false},
		{"undo works under help", "? U", false, "undo", false},
		{"undo works while the display is paused", "p U", false, "undo", false},
		{"undo works from every pane", "tab U 5 U", false, "undo undo", false},
		{"first stop, then hurry", "q q q", false, "stop hurry hurry", false},
		{"ctrl+c is q", "ctrl+c ctrl+c", false, "stop hurry", false},
		{"stop works under help", "? q", false, "stop", false},
		{"a run that plays is not left", "enter esc", false, "", false},
		{"esc closes help first", "? esc", true, "", false},
		{"over: q leaves", "q", true, "", true},
		{"over: so does ctrl+c", "ctrl+c", true, "", true},
		{"over: so does enter", "enter", true, "", true},
		{"over: there is nothing to undo", "U", true, "", false},
		{"other keys do nothing", "x y z up down left right home end pgup pgdown", false, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var did []string
			f := played(30)
			f.now.ended = test.over
			m := newModel(f.snapshot(f.heard), Controls{
				UndoFaults: func() { did = append(did, "undo") },
				Stop:       func(string) { did = append(did, "stop") },
				Hurry:      func() { did = append(did, "hurry") },
			}, newPalette(false, true))
			m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
			left := false
			for _, key := range strings.Fields(test.keys) {
				_, cmd := m.Update(pressed(key))
				left = left || cmd != nil
				_ = m.View()
			}
			if got := strings.Join(did, " "); got != test.did || left != test.left {
				t.Errorf("did %q, left %v; want %q, %v", got, left, test.did, test.left)
			}
		})
	}
}

// Without controls, keys do nothing but what they do to the screen.
func TestNoControls(t *testing.T) {
	f := played(30)
	m := newModel(f.snapshot(f.heard), Controls{}, newPalette(false, true))
	for _, key := range []string{"U", "q", "q"} {
		m.Update(pressed(key))
	}
	if a := m.screen.asked; !a.undo || !a.stop || !a.hurry {
		t.Errorf("asked %+v", a)
	}
}

// Text that is pasted acts on nothing.
func TestPaste(t *testing.T) {
	f := played(30)
	m := newModel(f.snapshot(f.heard), Controls{UndoFaults: func() { t.Error("a paste undid faults") }, Stop: func(string) { t.Error("a paste stopped the run") }}, newPalette(false, true))
	m.Update(tea.PasteMsg{Content: "qU"})
}

// A paused display keeps still while the run goes on, and never hides its end.
func TestPause(t *testing.T) {
	f := played(30)
	m := newModel(f.snapshot(f.heard), Controls{}, newPalette(false, true))
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	m.Update(pressed("p"))
	later := played(40)
	m.Update(snapshotMsg{later.snapshot(later.heard)})
	if m.screen.now >= 35*time.Second || !strings.Contains(m.View().Content, "DISPLAY PAUSED") {
		t.Errorf("paused, it shows %s", m.screen.now)
	}
	over := played(71)
	m.Update(snapshotMsg{over.snapshot(over.heard)})
	if m.screen.paused || !strings.Contains(m.View().Content, "The run is over") {
		t.Error("paused, it hides the end of the run")
	}
}

func TestPanes(t *testing.T) {
	f := played(48)
	m := newModel(f.snapshot(f.heard), Controls{}, newPalette(false, true))
	m.Update(tea.WindowSizeMsg{Width: 60, Height: 16})
	for _, step := range []struct {
		key  string
		want pane
	}{
		{"tab", objectivesPane}, {"right", faultsPane}, {"left", objectivesPane}, {"shift+tab", loadsPane},
		{"left", logPane}, {"tab", loadsPane}, // round and round
		{"4", probesPane}, {"5", logPane}, {"6", logPane}, // there is no sixth
		{"2", objectivesPane},
	} {
		m.Update(pressed(step.key))
		if m.screen.focus != step.want {
			t.Errorf("%s: %s, want %s", step.key, m.screen.focus, step.want)
		}
		_ = m.View()
	}
	// Scrolling stops at both ends.
	for range 20 {
		m.Update(pressed("down"))
		_ = m.View()
	}
	if got, want := m.screen.scroll[objectivesPane], m.screen.hidden[objectivesPane]; got != want || want == 0 {
		t.Errorf("scrolled by %d of %d", got, want)
	}
	m.Update(pressed("home"))
	if got := m.screen.scroll[objectivesPane]; got != 0 {
		t.Errorf("home is at %d", got)
	}
}

// A run that falls silent is said to, by our clock and not by its.
func TestSilence(t *testing.T) {
	f := played(30)
	for _, test := range []struct {
		after  time.Duration
		now    time.Duration // beyond the last event
		silent bool
	}{
		{0, 0, false},
		{700 * time.Millisecond, 700 * time.Millisecond, false}, // the clock runs between events
		{10 * time.Second, 0, true},                             // it stops rather than pretend
	} {
		s := f.snapshot(f.heard.Add(test.after))
		if s.now != f.last+test.now || (s.silent > 0) != test.silent {
			t.Errorf("after %s: the clock is at %s, silent %s", test.after, s.now, s.silent)
		}
	}
}

// What a target says cannot move the cursor, wherever it turns up.
func TestHostileText(t *testing.T) {
	hostile := "a\x1b[2J\x1b]0;owned\x07\r\nb\u202ec\x9b31md\x00\u200be"
	plan := scriptedPlan()
	plan.Name, plan.Faults[0].What, plan.Probes[0].What, plan.Warnings = hostile, hostile, hostile, []string{hostile}
	plan.Phases[1].Name = hostile
	f := newFollower(plan)
	at := 6 * time.Second
	f.take(journal.Batch{Events: []journal.Event{
		{Kind: journal.RunStarted},
		{At: at, Kind: journal.PhaseStarted, Name: hostile},
		{At: at, Kind: journal.LoadError, Name: "browse", State: hostile, Text: hostile},
		{At: at, Kind: journal.FaultState, Name: "kill_replica", State: journal.FaultFailed, Text: hostile, Targets: []string{hostile}},
		{At: at, Kind: journal.FaultState, Name: "slow_payments", State: hostile},
		{At: at, Kind: journal.ProbeFailed, Name: "replicas", Text: hostile},
		{At: at, Kind: journal.AbortBreach, Text: hostile},
		{At: at, Kind: journal.LoadSecond, Name: "browse", Load: &journal.LoadCounts{Failed: map[string]int64{hostile: 1}}},
		{At: at, Kind: journal.Note, Text: hostile},
		{At: at, Kind: journal.RunEnded, State: hostile, Text: hostile},
	}}, epoch)
	for p := range panes {
		s := &screen{snapshot: f.snapshot(epoch), width: 120, height: 35, focus: p, chosen: true}
		for _, r := range text(s.rows(), false) {
			if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e {
				t.Fatalf("%s: %q is sent", p, r)
			}
		}
	}
}

func TestFaultWords(t *testing.T) {
	at := 40 * time.Second
	tests := []struct {
		name   string
		states []journal.Event
		change func(*screen)
		want   string
		in     bool // counted as in place
	}{
		{"its time has not come", nil, nil, "waiting until 00:45", false},
		{"its time has come", nil, func(s *screen) { s.now = 46 * time.Second }, "due", false},
		{"undone before it began", nil, func(s *screen) { s.asked.undo = true }, "called off", false},
		{"the run ended before", nil, func(s *screen) { s.ended = true }, "was never injected", false},
		{"asked for", []journal.Event{{State: journal.FaultRequested}}, nil, "being injected since 00:40", true},
		{"a claim", []journal.Event{{State: journal.FaultInjected}}, nil, "injected since 00:40, no effect seen yet", true},
		{"seen", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultEffective}}, nil, "effective since 00:40, until 00:51", true},
		{"never seen", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultIneffective}}, nil, "injected, but NO EFFECT seen", true},
		{"undone, another claim", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultUndone}}, nil, "undone since 00:40, not yet verified", true},
		{"gone", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultGone}}, nil, "gone since 00:40", false},
		{"gone, but it did nothing", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultIneffective}, {State: journal.FaultGone}}, nil, "had no effect; gone since 00:40", false},
		{"never touched anything", []journal.Event{{State: journal.FaultFailed, Text: "prepare: no such process"}}, nil, "FAILED since 00:40", false},
		{"half-way in", []journal.Event{{State: journal.FaultFailed, Text: "inject: refused"}}, nil, "FAILED since 00:40", true},
		{"half-way in and mended", []journal.Event{{State: journal.FaultFailed, Text: "inject: refused"}, {State: journal.FaultGone}}, nil, "failed to inject; gone since 00:40", false},
		{"not all the way out", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultFailed, Text: "undo: refused"}}, nil, "FAILED since 00:40", true},
		{"somebody else's now", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultConflict}}, nil, "conflict: left alone since 00:40", false},
		{"who knows", []journal.Event{{State: journal.FaultInjected}, {State: journal.FaultUnverified}}, nil, "NOT VERIFIED GONE since 00:40", true},
		{"a state of a later version", []journal.Event{{State: "resting"}}, nil, "resting since 00:40", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFollower(scriptedPlan())
			f.last = at
			for _, e := range test.states {
				e.At, e.Kind, e.Name = at, journal.FaultState, "slow_payments"
				f.event(e)
			}
			s := &screen{snapshot: f.snapshot(epoch)}
			if test.change != nil {
				test.change(s)
			}
			fault := s.faults[1]
			if got, _ := s.faultWords(fault); got != test.want || fault.present() != test.in {
				t.Errorf("%q, in place %v; want %q, %v", got, fault.present(), test.want, test.in)
			}
		})
	}
}

// A one-shot leaves nothing to undo.
func TestOneShot(t *testing.T) {
	f := newFollower(scriptedPlan())
	for _, state := range []string{journal.FaultInjected, journal.FaultEffective, journal.FaultGone} {
		f.event(journal.Event{At: 37 * time.Second, Kind: journal.FaultState, Name: "kill_replica", State: state})
		if s := f.snapshot(epoch); s.faults[0].present() {
			t.Errorf("%s: there is something to undo", state)
		}
	}
	s := &screen{snapshot: f.snapshot(epoch)}
	if got, _ := s.faultWords(s.faults[0]); got != "done 00:37, nothing to undo" {
		t.Error(got)
	}
}
