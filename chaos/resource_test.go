package chaos

import (
	"slices"
	"testing"
)

func TestOverlap(t *testing.T) {
	for _, test := range []struct {
		a, b []string
		want string
	}{
		{a: []string{"process/4711"}, b: []string{"process/4712", "process/4711"}, want: "process/4711"},
		{a: []string{"process/4711/nice"}, b: []string{"process/4711"}, want: "process/4711/nice"}, // a part of it
		{a: []string{"process/4711"}, b: []string{"process/4711/nice"}, want: "process/4711/nice"}, // either way round
		{a: []string{"process/4711/nice"}, b: []string{"process/4711/files"}},                      // two parts
		{a: []string{"process/47"}, b: []string{"process/4711"}},                                   // no whole word
		{a: nil, b: []string{"process/4711"}},
	} {
		if got, both := Overlap(test.a, test.b); got != test.want || both != (test.want != "") {
			t.Errorf("Overlap(%v, %v) = %q, %t; want %q", test.a, test.b, got, both, test.want)
		}
	}
}

func TestHeld(t *testing.T) {
	r := Receipt{Kind: "stress", Targets: []string{"cpu", "memory"}}
	if got := r.Held(); !slices.Equal(got, []string{"stress/cpu", "stress/memory"}) {
		t.Errorf("a receipt without resources holds %v", got)
	}
	r.Resources = []string{"machine/cpu"}
	if got := r.Held(); !slices.Equal(got, r.Resources) {
		t.Errorf("a receipt with resources holds %v", got)
	}
}
