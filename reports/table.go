package reports

import (
	"strings"
	"unicode/utf8"
)

// A table is rows of cells, printed with their columns aligned.
type table struct {
	right []bool // columns aligned to the right
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// widths are those of the columns. A cell that is the last of its row makes no
// room for itself: it may run on.
func (t *table) widths() []int {
	var w []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(w) {
				w = append(w, 0)
			}
			if i < len(row)-1 || t.isRight(i) {
				w[i] = max(w[i], utf8.RuneCountInString(c))
			}
		}
	}
	return w
}

func (t *table) isRight(i int) bool { return i < len(t.right) && t.right[i] }

// lines prints the rows with that much before each.
func (t *table) lines(indent string) []string {
	widths := t.widths()
	var out []string
	for _, row := range t.rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, c := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(c)))
			if t.isRight(i) {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

// wrap breaks a text into lines of at most textWidth runes, with first before the
// first line and rest before the others. A word longer than a line stands
// alone.
func wrap(text, first, rest string) []string {
	var out []string
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			out = append(out, line)
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	return append(out, line)
}
