package scaling

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

const recordings = "testdata/recorded"

// recorded reads a run that was recorded, and when it began.
func recorded(name string) (*journal.Journal, time.Time, error) {
	text, err := os.ReadFile(filepath.Join(recordings, name, "plan.json"))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read recording: %w", err)
	}
	var plan journal.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, time.Time{}, fmt.Errorf("read recording: %w", err)
	}
	events, err := linesOf[journal.Event](name, "events.jsonl")
	if err != nil {
		return nil, time.Time{}, err
	}
	j := journal.New(plan)
	if err := j.Append(journal.Batch{Events: events}); err != nil {
		return nil, time.Time{}, fmt.Errorf("read recording: %w", err)
	}
	for _, e := range events {
		if e.Kind == journal.RunStarted && e.Wall != nil {
			return j, e.Wall.Add(-e.At), nil
		}
	}
	return nil, time.Time{}, fmt.Errorf("recording %s does not say when it began", name)
}

func linesOf[T any](name, file string) (all []T, err error) {
	text, err := os.ReadFile(filepath.Join(recordings, name, file))
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	for line := range bytes.Lines(text) {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("read %s of recording %s: %w", file, name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// controllerEvent is what the HPA controller said, stamped in whole seconds.
type controllerEvent struct {
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

// Every decision that the real controller told of while the run went on is in
// the analysis, at that time and to that number, and there is no other.
func TestRecordedDecisionsAreTheControllers(t *testing.T) {
	dirs, err := os.ReadDir(recordings)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		t.Run(dir.Name(), func(t *testing.T) {
			j, began, err := recorded(dir.Name())
			if err != nil {
				t.Fatal(err)
			}
			said, err := linesOf[controllerEvent](dir.Name(), "controller.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			var decided []*journal.Object
			for _, e := range j.Objects("web") {
				if e.Object.What == "scaled" {
					decided = append(decided, e.Object)
				}
			}
			matched := 0
			for _, s := range said {
				at := s.At.Sub(began)
				if s.Reason != "SuccessfulRescale" || at < 0 || at > j.Plan.Duration-time.Second {
					continue // before the run, or in the second in which it ended
				}
				found := false
				for _, d := range decided {
					// Its second, and one for the status that is written before the event.
					early, late := at-time.Second-d.Within, at+2*time.Second+d.Within
					if strings.HasPrefix(s.Message, fmt.Sprintf("New size: %v;", *d.To)) && early <= d.At && d.At <= late {
						found = true
					}
				}
				if !found {
					t.Errorf("the controller says %q at %s, and the run has no such decision", s.Message, at)
				}
				matched++
			}
			if matched == 0 || matched > len(decided) {
				t.Errorf("the controller tells of %d decisions, the run of %d", matched, len(decided))
			}
		})
	}
}
