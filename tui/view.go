package tui

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/brunt-dev/brunt/reports/journal"
)

const (
	// redrawEvery is the least time between two snapshots, and so redraws.
	redrawEvery = 150 * time.Millisecond
	// heartbeat is when the clock on the screen moves though nothing came.
	heartbeat = time.Second
	// judgeEvery is the least time between two passes over the objectives.
	judgeEvery = time.Second
	// judgeShare keeps judging cheap on long runs: a pass that took d is not
	// repeated before judgeShare·d.
	judgeShare = 50
	// framesPerSecond is how often the terminal is looked after.
	framesPerSecond = 10
)

// Options say where the view is shown. The zero value is this process's
// terminal.
type Options struct {
	Input   io.Reader // nil: os.Stdin
	Output  io.Writer // nil: os.Stdout
	Environ []string  // nil: os.Environ(): TERM, NO_COLOR, the locale
	NoColor bool      // as NO_COLOR does

	Width, Height int // of an Output that is no terminal
}

// A View shows one run in a terminal while it plays. It is a journal.Sink: put
// it among the faces of the run's engine.
type View struct {
	inbox   *inbox
	program *tea.Program
	running sync.WaitGroup

	leave     chan struct{}
	leaveOnce sync.Once
	ended     chan struct{} // the terminal has been given back

	mu  sync.Mutex
	err error
}

// New takes over the terminal and shows the plan. The caller must Close the
// view, or the terminal stays as it is.
func New(plan journal.Plan, controls Controls, o Options) *View {
	if o.Input == nil {
		o.Input = os.Stdin
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	noColor := o.NoColor || lookup(o.Environ, "NO_COLOR") != ""
	if noColor {
		o.Environ = append(o.Environ[:len(o.Environ):len(o.Environ)], "NO_COLOR=1")
	}
	f := newFollower(plan)
	return start(f, newModel(f.snapshot(time.Now()), controls, newPalette(!noColor, isUTF8(o.Environ))), o)
}

// start runs the program and the follower.
func start(f *follower, m *model, o Options) *View {
	v := &View{inbox: newInbox(), leave: make(chan struct{}), ended: make(chan struct{})}
	options := []tea.ProgramOption{
		tea.WithInput(o.Input), tea.WithOutput(o.Output), tea.WithEnvironment(o.Environ),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(),
	}
	if o.Width > 0 && o.Height > 0 {
		options = append(options, tea.WithWindowSize(o.Width, o.Height))
	}
	v.program = tea.NewProgram(m, options...)
	v.running.Go(func() { v.run(m) })
	v.running.Go(func() { v.follow(f) })
	return v
}

// Append shows a batch. It never waits: what the display cannot take in time
// is left out of it, and counted. It fails once the display has ended, by key
// or by accident; the run is not over for that.
func (v *View) Append(b journal.Batch) error { return v.inbox.put(b) }

// Leave tells the view that the run is being ended from outside, and not to
// wait for a key once it is over. It does not wait, and may be called any
// number of times.
func (v *View) Leave() { v.leaveOnce.Do(func() { close(v.leave) }) }

// Close says that nothing more will be appended. It returns when the person
// has left, or at once after Leave, and the terminal has been given back. The
// error says why the display ended by accident.
func (v *View) Close() error {
	v.inbox.close()
	v.running.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// Ended is closed when the terminal has been given back.
func (v *View) Ended() <-chan struct{} { return v.ended }

// run owns the terminal.
func (v *View) run(m *model) {
	defer close(v.ended)
	defer v.inbox.desert()
	_, err := v.program.Run()
	if m.failure != nil {
		err = m.failure
	}
	if err != nil {
		v.fail(fmt.Errorf("show the run: %w", err))
	}
}

// panicked is a panic as an error, with its place.
func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

// fail keeps the first error.
func (v *View) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = err
	}
}

// rescue, deferred, gives the terminal back when a goroutine panics. The
// program is asked to quit and not killed: killed, it leaves its reader behind.
func (v *View) rescue() {
	if p := recover(); p != nil {
		v.fail(fmt.Errorf("show the run: %w", panicked(p)))
		v.program.Quit()
	}
}

// follow turns batches into snapshots until the display ends.
func (v *View) follow(f *follower) {
	var judging sync.WaitGroup
	defer judging.Wait()
	defer v.rescue()
	verdicts := make(chan []standing, 1)
	var nextPass time.Time
	busy, final := false, false
	leave := v.leave
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-v.ended:
			return
		case <-leave:
			leave = nil
			v.program.Send(leaveMsg{})
		case standings := <-verdicts:
			busy = false
			f.now.objectives = standings
		case <-v.inbox.ready:
		case <-beat.C:
		}
		b, missed, closed := v.inbox.take()
		f.take(b, time.Now())
		f.now.missed, f.now.closed = missed, closed
		over := f.now.ended || closed
		if !busy && !final && len(f.judge.cases) > 0 && (over || !time.Now().Before(nextPass)) && f.now.started {
			busy, final = true, over
			at := f.last
			judging.Go(func() {
				defer v.rescue()
				began := time.Now()
				standings := f.judge.pass(at, over)
				nextPass = time.Now().Add(max(judgeEvery, judgeShare*time.Since(began)))
				verdicts <- standings
			})
		}
		v.program.Send(snapshotMsg{f.snapshot(time.Now())})
		select {
		case <-v.ended:
			return
		case <-time.After(redrawEvery):
		}
	}
}
