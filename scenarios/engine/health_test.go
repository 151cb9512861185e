package engine

import (
	"testing"
	"time"
)

// Every lag lies below the end of its bucket, by a quarter at the most.
func TestLagBuckets(t *testing.T) {
	before := 0
	for lag := time.Duration(0); lag < time.Hour; lag += lag/7 + 1 {
		i := lagBucket(lag)
		if i < before {
			t.Fatalf("%v falls into bucket %d, a smaller lag into %d", lag, i, before)
		}
		before = i
		if bound := lagBound(i); lag >= bound || lag >= 4*time.Microsecond && bound > lag+lag/4+time.Microsecond {
			t.Fatalf("%v falls into bucket %d, which ends at %v", lag, i, bound)
		}
	}
}

func TestLagP99(t *testing.T) {
	var m lagMeter
	for i := range 1000 {
		m.add(time.Duration(i) * time.Millisecond)
	}
	var sum lagMeter
	m.take(&sum)
	if got := sum.p99(); got < 989*time.Millisecond || got > 1250*time.Millisecond {
		t.Errorf("p99 %v of 0 to 999ms", got)
	}
	if m.count != 0 || m.p99() != 0 {
		t.Error("what was taken is still there")
	}
}
