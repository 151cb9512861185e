package tui

import (
	"fmt"
	"testing"
	"time"
)

func TestLook(t *testing.T) {
	for _, k := range []int{24, 48} {
		f := played(k)
		for _, sz := range [][2]int{{60, 16}, {80, 24}, {120, 35}, {200, 50}} {
			m := newModel(f.snapshot(f.heard.Add(200*time.Millisecond)), Controls{}, newPalette(false, true))
			m.screen.width, m.screen.height = sz[0], sz[1]
			fmt.Printf("===== %d s, %v\n%s\n", k, sz, m.palette.paint(m.screen.rows()))
		}
	}
}
