package tui

import (
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/reports/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A terminal is the far end of a view in a test: what it wrote, and its keys.
type terminal struct {
	keys  *os.File
	wrote chan struct{} // a token when something was written since

	mu   sync.Mutex
	text strings.Builder
	gate chan struct{} // nil, or what Write waits for
}

func (o *terminal) Write(b []byte) (int, error) {
	o.mu.Lock()
	o.text.Write(b)
	gate := o.gate
	o.mu.Unlock()
	select {
	case o.wrote <- struct{}{}:
	default:
	}
	if gate != nil {
		<-gate
	}
	return len(b), nil
}

func (o *terminal) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := o.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

func newTerminal(t *testing.T) (*terminal, Options) {
	t.Helper()
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); keys.Close() })
	o := &terminal{keys: keys, wrote: make(chan struct{}, 1)}
	return o, Options{Input: in, Output: o, Environ: []string{"TERM=xterm-256color", "LANG=C.UTF-8"}, Width: 80, Height: 24}
}

const (
	takesScreen = "\x1b[?1049h"
	givesScreen = "\x1b[?1049l"
)

func playAll(t *testing.T, v *View, upTo int) {
	t.Helper()
	plan := scriptedPlan()
	for k := range upTo {
		for _, b := range scripted(plan, k) {
			if err := v.Append(b); err != nil {
				t.Fatalf("second %d: %v", k, err)
			}
		}
	}
}

// A whole run, which is left by key once it is over.
func TestViewIsLeftByKey(t *testing.T) {
	out, o := newTerminal(t)
	acted := make(chan struct{})
	v := New(scriptedPlan(), Controls{Stop: func(string) { acted <- struct{}{} }, Hurry: func() { acted <- struct{}{} }}, o)
	playAll(t, v, 71)
	for left := false; !left; {
		out.press(t, "q")
		select {
		case <-acted: // it came before the end of the run was known
		case <-v.Ended():
			left = true
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, takesScreen) || !strings.HasSuffix(s[:strings.LastIndex(s, givesScreen)+len(givesScreen)], givesScreen) {
		t.Errorf("the screen was not taken and given back: %q", s)
	}
	if err := v.Append(journal.Batch{}); err == nil {
		t.Error("a view that has ended takes batches")
	}
}

// Told to leave, the view ends as soon as the run has; without that, not even
// the end of the run ends it.
func TestViewLeaves(t *testing.T) {
	out, o := newTerminal(t)
	v := New(scriptedPlan(), Controls{}, o)
	playAll(t, v, 20)
	v.Leave()
	v.Leave()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), givesScreen) {
		t.Error("the screen was not given back")
	}
}

// Keys reach the run while it plays.
func TestViewKeysAct(t *testing.T) {
	out, o := newTerminal(t)
	did := make(chan string, 8)
	v := New(scriptedPlan(), Controls{
		UndoFaults: func() { did <- "undo" },
		Stop:       func(string) { did <- "stop" },
		Hurry:      func() { did <- "hurry" },
	}, o)
	playAll(t, v, 10)
	out.press(t, "U\x15q\x03") // U, ctrl+u, q, ctrl+c
	for _, want := range []string{"undo", "undo", "stop", "hurry"} {
		if got := <-did; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	v.Leave()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// A terminal that takes nothing holds up nobody, and what could not be shown
// is counted.
func TestAppendNeverWaits(t *testing.T) {
	out, o := newTerminal(t)
	out.gate = make(chan struct{})
	v := New(scriptedPlan(), Controls{}, o)
	<-out.wrote // it is stuck from here on
	value := 1.0
	b := journal.Batch{Events: []journal.Event{{At: time.Second, Kind: journal.ProbeReading, Name: "replicas", Value: &value}, {Kind: journal.FaultState, Name: "slow_payments", State: journal.FaultInjected}}}
	for range 4 * ordinaryLimit {
		if err := v.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	v.inbox.mu.Lock()
	waiting, missed := len(v.inbox.batch.Events), v.inbox.missed
	v.inbox.mu.Unlock()
	if waiting > ordinaryLimit+notableLimit || missed == 0 {
		t.Errorf("%d events wait, %d were turned away", waiting, missed)
	}
	close(out.gate)
	v.Leave()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// A panic gives the terminal back, and is an error of Close.
func TestPanics(t *testing.T) {
	tests := []struct {
		name string
		run  func(out *terminal, o Options) *View
	}{
		{"in a control", func(out *terminal, o Options) *View {
			v := New(scriptedPlan(), Controls{UndoFaults: func() { panic("no fault of mine") }}, o)
			out.press(t, "U")
			return v
		}},
		{"in drawing", func(_ *terminal, o Options) *View {
			f := newFollower(scriptedPlan())
			return start(f, newModel(&snapshot{}, Controls{}, newPalette(true, true)), o) // a snapshot without a plan
		}},
		{"in the follower", func(_ *terminal, o Options) *View {
			f := newFollower(scriptedPlan())
			m := newModel(f.snapshot(epoch), Controls{}, newPalette(true, true))
			f.loads["browse"] = nil
			return start(f, m, o)
		}},
		{"in the judge", func(_ *terminal, o Options) *View {
			f := newFollower(scriptedPlan())
			m := newModel(f.snapshot(epoch), Controls{}, newPalette(true, true))
			f.now.started, f.judge.journal = true, nil
			return start(f, m, o)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, o := newTerminal(t)
			v := test.run(out, o)
			_ = v.Append(journal.Batch{}) // wakes it up, if it has not ended yet
			<-v.Ended()
			err := v.Close()
			if err == nil || !strings.Contains(err.Error(), "panic: ") {
				t.Errorf("error %v", err)
			}
			if s := out.String(); strings.Contains(s, takesScreen) && !strings.Contains(s, givesScreen) {
				t.Error("the screen was not given back")
			}
		})
	}
}

// NO_COLOR is honoured, and so is a locale without UTF-8.
func TestEnvironment(t *testing.T) {
	out, o := newTerminal(t)
	o.Environ = []string{"TERM=xterm-256color", "LANG=C", "NO_COLOR=1"}
	v := New(scriptedPlan(), Controls{}, o)
	playAll(t, v, 71)
	v.Leave()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	s := out.String()
	if color := regexp.MustCompile(`\x1b\[([0-9]+;)*(3|4|9|10)[0-9](;[0-9]+)*m`).FindString(s); color != "" {
		t.Errorf("a colour was sent: %q", color)
	}
	for _, r := range s {
		if r > 0x7e {
			t.Fatalf("%q was sent", r)
		}
	}
}
