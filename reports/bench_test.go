package reports

import (
	"io"
	"testing"
)

func BenchmarkBuild(b *testing.B) {
	j := play{}.live(b)
	b.ReportAllocs()
	for b.Loop() {
		Build(j)
	}
}

func BenchmarkHTML(b *testing.B) {
	r := Build(play{}.live(b))
	b.ReportAllocs()
	for b.Loop() {
		if err := HTML(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
