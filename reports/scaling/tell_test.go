package scaling

import (
	"testing"

	"github.com/brunt-dev/brunt/reports/journal"
)

func TestTell(t *testing.T) {
	two, four := 2.0, 4.0
	for _, tt := range []struct {
		object journal.Object
		want   string // empty: no line
	}{
		{journal.Object{Object: "hpa/api", What: "scaled", From: &two, To: &four, Text: "going by cpu"}, "hpa/api scaled 2 → 4: going by cpu"},
		{journal.Object{Object: "hpa/api", What: "metric_lost", Text: "no metrics"}, "hpa/api metric lost: no metrics"},
		{journal.Object{Object: "node/n1", What: "ready"}, "node/n1 ready"},
		{journal.Object{Object: "pod/a", What: "unschedulable", Text: "no room"}, "pod/a unschedulable: no room"},
		{journal.Object{Object: "pod/a", What: "ready"}, ""},
		{journal.Object{Object: "hpa/api", What: "said", Text: "New size"}, ""},
	} {
		if got, ok := Tell(tt.object); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%+v: %q %v, want %q", tt.object, got, ok, tt.want)
		}
	}
}
