package tui

import (
	tea "charm.land/bubbletea/v2"
)

// Controls are how the view acts on the run. It calls them from its own
// goroutine; they must be safe for concurrent use and return at once. Nil ones
// do nothing.
type Controls struct {
	UndoFaults func()           // undo every fault now, inject none any more; load goes on
	Stop       func(why string) // no more load, undo, report
	Hurry      func()           // after Stop: do not wait for requests in flight
}

// asked is what was asked of the run by key.
type asked struct {
	undo, stop, hurry bool
}

// Messages from the follower.
type (
	snapshotMsg struct{ *snapshot }
	leaveMsg    struct{} // leave as soon as the run has told all it can
)

// A model is the state of the program: the run as last heard of, and what the
// keys did. It belongs to the program's goroutine.
type model struct {
	controls Controls
	palette  palette
	screen   screen
	latest   *snapshot
	failure  error // a panic, which ends the program
}

func newModel(first *snapshot, c Controls, p palette) *model {
	return &model{controls: c, palette: p, latest: first, screen: screen{snapshot: first}}
}

func (m *model) Init() tea.Cmd { return nil }

func (m *model) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer m.rescue(func() { next, cmd = m, tea.Quit })
	if m.failure != nil {
		return m, tea.Quit
	}
	s := &m.screen
	switch msg := msg.(type) {
	case snapshotMsg:
		m.latest = msg.snapshot
	case leaveMsg:
		s.leaving = true
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if m.press(msg) {
			return m, tea.Quit
		}
	}
	if m.latest.over() {
		s.paused = false // nothing moves any more
	}
	if !s.paused {
		s.snapshot = m.latest
	}
	if s.leaving && m.latest.over() {
		return m, tea.Quit
	}
	return m, nil
}

func (m *model) View() (v tea.View) {
	defer m.rescue(func() { v.AltScreen = true })
	if m.failure != nil {
		v.AltScreen = true
		return v
	}
	v = tea.NewView(m.palette.paint(m.screen.rows()))
	v.AltScreen = true
	return v
}

// rescue, deferred, makes of a panic an error for whoever closes the view, in
// place of a stack trace across the screen.
func (m *model) rescue(then func()) {
	if p := recover(); p != nil {
		m.failure = panicked(p)
		then()
	}
}

func (m *model) undo() {
	if m.latest.over() {
		return
	}
	m.screen.asked.undo = true
	if m.controls.UndoFaults != nil {
		m.controls.UndoFaults()
	}
}

// stop ends the run, the second time in a hurry. It is true when the run is
// over and there is nothing left but to leave.
func (m *model) stop() (leave bool) {
	a := &m.screen.asked
	switch {
	case m.latest.over():
		return true
	case !a.stop:
		a.stop = true
		if m.controls.Stop != nil {
			m.controls.Stop("stopped by the user")
		}
	default:
		a.hurry = true
		if m.controls.Hurry != nil {
			m.controls.Hurry()
		}
	}
	return false
}
