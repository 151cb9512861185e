package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// keyMap is which keys do what.
type keyMap struct {
	undo, stop, leave, help, pause, next, previous, up, down, pageUp, pageDown, home, end key.Binding
}

func keys() keyMap {
	on := func(names ...string) key.Binding { return key.NewBinding(key.WithKeys(names...)) }
	return keyMap{
		undo:     on("U", "ctrl+u", "shift+u"),
		stop:     on("q", "Q", "ctrl+c"),
		leave:    on("enter", "esc"), // once the run is over
		help:     on("?", "f1"),
		pause:    on("p", "P"),
		next:     on("tab", "right"),
		previous: on("shift+tab", "left"),
		up:       on("up", "k"),
		down:     on("down", "j"),
		pageUp:   on("pgup"),
		pageDown: on("pgdown"),
		home:     on("home"),
		end:      on("end"),
	}
}

// press does what a key is for. It is true when the person wants to leave a
// run that is over.
func (m *model) press(msg tea.KeyPressMsg) (leave bool) {
	s := &m.screen
	is := func(b key.Binding) bool { return key.Matches(msg, b) || key.Matches(base(msg), b) }
	k := keys()
	switch {
	// These work wherever one is.
	case is(k.undo):
		m.undo()
	case is(k.stop):
		return m.stop()
	case is(k.help), s.help && is(k.leave):
		s.help = !s.help
	case is(k.leave):
		return m.latest.over()
	case is(k.pause):
		s.paused = !s.paused
	case is(k.next):
		m.choose((s.focus + 1) % panes)
	case is(k.previous):
		m.choose((s.focus + panes - 1) % panes)
	case len(msg.Text) == 1 && msg.Text[0] >= '1' && msg.Text[0] < '1'+byte(panes):
		m.choose(pane(msg.Text[0] - '1'))
	case is(k.up):
		m.scrollBy(-1)
	case is(k.down):
		m.scrollBy(1)
	case is(k.pageUp):
		m.scrollBy(-10)
	case is(k.pageDown):
		m.scrollBy(10)
	case is(k.home):
		m.scrollBy(-longScroll)
	case is(k.end):
		m.scrollBy(longScroll)
	}
	return false
}

// choose puts a pane in focus.
func (m *model) choose(p pane) { m.screen.focus, m.screen.chosen = p, true }

// base is the key as it would be on a keyboard with Latin letters, where the
// terminal tells: a chord that undoes faults must work on every keyboard.
func base(msg tea.KeyPressMsg) tea.KeyPressMsg {
	if msg.BaseCode == 0 || msg.Mod&tea.ModCtrl == 0 {
		return tea.KeyPressMsg{}
	}
	return tea.KeyPressMsg{Code: msg.BaseCode, Mod: msg.Mod}
}

// longScroll is more than any pane holds.
const longScroll = 1 << 16

// scrollBy moves the lines of the pane in focus. The log counts from its end,
// where the newest stands.
func (m *model) scrollBy(n int) {
	s := &m.screen
	if s.focus == logPane {
		n = -n
	}
	s.scroll[s.focus] = min(max(s.scroll[s.focus]+n, 0), s.hidden[s.focus])
}
