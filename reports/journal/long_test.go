package journal_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// BenchmarkEightHours opens and asks an eight-hour run.
func BenchmarkEightHours(b *testing.B) {
	dir := longRun(b)
	info, err := os.Stat(filepath.Join(dir, journal.LatencyFile))
	if err != nil {
		b.Fatal(err)
	}
	var j *journal.Journal
	b.Run("open", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			j = nil
			runtime.GC()
			runtime.ReadMemStats(&before)
			j = open(b, dir)
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "heap-MiB")
		b.ReportMetric(float64(info.Size())/(1<<20), "file-MiB")
	})
	b.Run("whole-run-p99", func(b *testing.B) {
		for b.Loop() {
			if _, ok := j.Window("shop", "", 0, j.End()).Quantile(journal.Response, journal.All, 99); !ok {
				b.Fatal("no samples")
			}
		}
	})
	b.Run("sliding-30s-p99", func(b *testing.B) {
		at := time.Duration(0)
		for b.Loop() {
			j.Window("shop", "", at, at+30*time.Second).Quantile(journal.Response, journal.All, 99)
			at = (at + time.Second) % (8 * time.Hour)
		}
	})
}
