package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// A role is what a piece of text is for; the palette gives it its looks.
type role int

const (
	plain role = iota
	dim
	title
	strong
	good
	warn
	bad
	accent
	alarm // bad, and to be seen from across the room
	bar   // the line at the top
	roles
)

// A span is text in one role.
type span struct {
	text string
	role role
}

// A row is one line of the screen, or of a pane.
type row []span

func (r row) width() int {
	n := 0
	for _, s := range r {
		n += textWidth(s.text)
	}
	return n
}

// fit cuts or pads a row to exactly w cells. A row that was cut ends in an
// ellipsis.
func (r row) fit(w int) row {
	if w <= 0 {
		return nil
	}
	out := make(row, 0, len(r)+1)
	left := w
	if r.width() <= w {
		out = append(out, r...)
		left -= r.width()
	} else {
		for _, s := range r {
			n := textWidth(s.text)
			if n < left {
				out = append(out, s)
				left -= n
				continue
			}
			text := cut(s.text+"xx", left) // the ellipsis is for what follows, too
			out = append(out, span{text, s.role})
			left -= textWidth(text)
			break
		}
	}
	if left > 0 {
		out = append(out, span{text: strings.Repeat(" ", left)})
	}
	return out
}

// spread puts two rows at the ends of a line of w cells. The left one gives
// way.
func spread(left, right row, w int) row {
	n := right.width()
	if n >= w {
		return right.fit(w)
	}
	return append(left.fit(w-n), right...)
}

// field is a text padded on the right, or cut, to w cells.
func field(text string, w int, as role) span {
	text = cut(text, w)
	return span{text + strings.Repeat(" ", max(0, w-textWidth(text))), as}
}

// number is a text padded on the left, or cut, to w cells.
func number(text string, w int, as role) span {
	text = cut(text, w)
	return span{strings.Repeat(" ", max(0, w-textWidth(text))) + text, as}
}

// A palette gives roles their looks in sixteen colours, which every theme
// defines so that they can be read.
type palette struct {
	looks [roles]look
	ascii bool
}

// A look is what the terminal is sent before and after a text.
type look struct{ before, after string }

func newPalette(color, utf8 bool) palette {
	var styles [roles]lipgloss.Style
	styles[title] = styles[title].Bold(true)
	styles[strong] = styles[strong].Bold(true)
	styles[bar] = styles[bar].Reverse(true)
	styles[alarm] = styles[alarm].Bold(true).Reverse(true)
	if color {
		styles[dim] = styles[dim].Foreground(lipgloss.BrightBlack)
		styles[title] = styles[title].Foreground(lipgloss.Cyan)
		styles[good] = styles[good].Foreground(lipgloss.Green)
		styles[warn] = styles[warn].Foreground(lipgloss.Yellow)
		styles[bad] = styles[bad].Foreground(lipgloss.Red).Bold(true)
		styles[accent] = styles[accent].Foreground(lipgloss.Blue)
		styles[alarm] = styles[alarm].Foreground(lipgloss.Red)
	}
	p := palette{ascii: !utf8}
	for i, s := range styles {
		// Once and for all: the screens of a second hold thousands of spans.
		p.looks[i].before, p.looks[i].after, _ = strings.Cut(s.Render("x"), "x")
	}
	return p
}

// paint turns rows into what the terminal is sent.
func (p palette) paint(rows []row) string {
	var b strings.Builder
	for i, r := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for k := 0; k < len(r); {
			// Neighbours of one role are one piece.
			text, as := r[k].text, r[k].role
			for k++; k < len(r) && r[k].role == as; k++ {
				text += r[k].text
			}
			if p.ascii {
				text = toASCII(text)
			}
			b.WriteString(p.looks[as].before)
			b.WriteString(text)
			b.WriteString(p.looks[as].after)
		}
	}
	return b.String()
}
