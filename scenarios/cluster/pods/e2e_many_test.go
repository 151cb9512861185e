//go:build e2e && linux

package pods

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// What so many pods did is in the run directory, to the count: each arrival once,
// each user once, each operation in the merged histogram. The secret is in no
// object and no log. Then all is gone.
func manyPods(t *testing.T, r *rig, many int) {
	s, c := r.serve(), r.connect()
	begun := time.Now()
	p := r.play(s, game{lasts: 12 * time.Second, workers: many})
	t.Logf("%d pods ready, and started on one instant %v after brunt was", many, (time.Since(begun) - p.now()).Round(time.Millisecond))
	for _, job := range append(c.all(t, true), c.all(t, false)...) {
		if text, err := json.Marshal(job.Object); err != nil || bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s %s holds the secret (or %v)", job.GetKind(), job.GetName(), err)
		}
	}
	p.nowhere(secret)
	code := p.wait()
	p.nowhere(secret)
	if code != 0 && code != 3 { // a busy machine may have been the bottleneck
		t.Errorf("exit %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	recorded, err := journal.Open(p.dir)
	r.must("open journal", err)
	served := s.served()
	n, w := recorded.Counts("web", 0, time.Hour), recorded.Window("web", "", 0, time.Hour)
	if n.Offered != served || n.Completed != served || w.Failed() != 0 || w.Histogram(journal.Response, journal.All).TotalCount() != served {
		t.Errorf("served %d; counts %+v; %d in the histogram, %d failed", served, n, w.Ops(), w.Failed())
	}
	for path, times := range s.requests {
		if times != 1 {
			t.Errorf("%s was asked for %d times", path, times)
		}
	}
	if s.wrong > 0 {
		t.Errorf("%d requests without the secret", s.wrong)
	}
	done, sum, worst := 0, int64(0), time.Duration(0)
	for _, e := range recorded.Events() {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerDone {
			done++
			sum += e.Worker.Offered
			worst = max(worst, e.Worker.ClockError)
			if e.Worker.ClockError <= 0 {
				t.Errorf("the clock of %s was not measured", e.Name)
			}
			t.Logf("%s in %s: offered %d, clock %v ±%v, worst lag %v", e.Name, e.Worker.Where, e.Worker.Offered, e.Worker.ClockOffset, e.Worker.ClockError, e.Worker.DispatchLag)
		}
	}
	if done != many || sum != served {
		t.Errorf("%d workers account for %d of %d", done, sum, served)
	}
	t.Logf("served %d, in the merged histogram %d; the start is one instant to within %v", served, w.Ops(), 2*worst)
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 {
		t.Errorf("left behind: %d objects, %s first", len(left), left[0].GetName())
	}
}

// nowhere fails when a text is in a log of the node or of its pods, or in the run
// directory.
func (p *run) nowhere(text string) {
	p.t.Helper()
	logs, _ := filepath.Glob(filepath.Join(p.rig.dir, "*.log"))
	looked := 0
	for _, at := range append(logs, filepath.Join(p.rig.dir, "logs"), p.dir) {
		err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // a pod's log went with it; others are links to one
			}
			log, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			looked++
			if bytes.Contains(log, []byte(text)) {
				p.t.Errorf("%s holds %s", path, text)
			}
			return nil
		})
		p.must("read logs", err)
	}
	if looked < 6 { // the lab's, containerd's and the kubelet's, and the run's own files
		p.t.Errorf("only %d files were there to be looked at", looked)
	}
}
