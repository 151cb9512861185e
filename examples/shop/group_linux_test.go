package shop

import "testing"

func TestParseStat(t *testing.T) {
	tests := []struct {
		stat  string
		state string
		group int
	}{
		{"12 (brunt) S 1 34 34 0 -1", "S", 34},
		{"12 (a) b) (c) Z 1 34 34", "Z", 34}, // a command may hold anything
		{"12 (brunt) S 1", "", 0},            // cut short
		{"", "", 0},
	}
	for _, tt := range tests {
		if state, group := parseStat([]byte(tt.stat)); state != tt.state || group != tt.group {
			t.Errorf("%q: got %q %d, want %q %d", tt.stat, state, group, tt.state, tt.group)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (brunt) S 1 34 34 0 -1"))
	f.Fuzz(func(t *testing.T, stat []byte) { parseStat(stat) })
}
