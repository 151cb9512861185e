package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/engine"
	"github.com/brunt-dev/brunt/tui"
)

func gamedayCommand() *cobra.Command {
	var p play
	var vars map[string]string
	var lines bool
	cmd := &cobra.Command{
		Use:   "gameday SCENARIO",
		Short: "Play a scenario and watch it in the terminal",
		Long: `gameday plays a scenario as run does, and shows it live: load, latency,
objectives with their margins, faults and probes. The verdict goes to stdout
once you leave; the exit code is the verdict.

  U        undo every fault now (load goes on)
  q        stop the load, undo every fault and report; again: do not wait
  p        hold the display still (the run goes on)
  ?        all keys

Without a terminal it shows the lines that run does.`,
		Args: one("a scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
			scenario, err := loadScenario(args[0], vars, stderr)
			if err != nil {
				return exit(exitUsage, err)
			}
			input, output, why := terminal(cmd.InOrStdin(), stdout)
			if lines || why != "" {
				if !lines {
					fmt.Fprintf(stderr, "brunt: no live view, because %s; progress follows as lines\n", why)
				}
				p.face = func(plan journal.Plan, _ *engine.Run) face {
					return &statusLines{w: stderr, plan: plan}
				}
				return p.play(cmd.Context(), scenario, stdout, stderr)
			}
			held := &heldOutput{to: stderr}
			var g *gameday
			defer func() { // also when the run panics: the terminal must not stay ours
				if g != nil {
					g.view.Leave()
					_ = g.Close() // whatever it says was said when the run closed it
				}
			}()
			p.face = func(plan journal.Plan, run *engine.Run) face {
				g = startGameday(plan, run, held, tui.Options{Input: input, Output: output})
				return g
			}
			return p.play(cmd.Context(), scenario, stdout, held)
		},
	}
	p.flags(cmd)
	p.workers.flags(cmd)
	varFlag(cmd, &vars)
	cmd.Flags().BoolVar(&lines, "plain", false, "show the progress as lines, as run does")
	return cmd
}

// terminal gives the terminal to show a view in, or says why there is none.
func terminal(stdin io.Reader, stdout io.Writer) (input, output *os.File, why string) {
	input, inputIsFile := stdin.(*os.File)
	output, outputIsFile := stdout.(*os.File)
	switch {
	case !outputIsFile || !term.IsTerminal(int(output.Fd())):
		return nil, nil, "stdout is not a terminal"
	case !inputIsFile || !term.IsTerminal(int(input.Fd())):
		return nil, nil, "stdin is not a terminal"
	case os.Getenv("TERM") == "dumb":
		return nil, nil, "the terminal cannot move its cursor (TERM=dumb)"
	}
	return input, output, ""
}

// A gameday is the face of a run in a terminal. While it has the terminal,
// what goes to stderr is held back. Should the display end before the run
// does, it goes on as lines.
type gameday struct {
	view   *tui.View
	lines  *statusLines
	stderr *heldOutput

	closing  sync.Once
	stop     chan struct{}
	watching sync.WaitGroup
}

func startGameday(plan journal.Plan, run *engine.Run, stderr *heldOutput, o tui.Options) *gameday {
	stderr.hold()
	log.SetOutput(stderr) // libraries log there, net/http among them
	controls := tui.Controls{UndoFaults: run.UndoFaults, Stop: run.Stop, Hurry: run.Hurry}
	g := &gameday{view: tui.New(plan, controls, o), lines: &statusLines{w: stderr, plan: plan}, stderr: stderr, stop: make(chan struct{})}

	// Ctrl-C is a key here. A signal comes from elsewhere, where nobody looks
	// at the screen; the run is stopped by whoever catches interrupts.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	g.watching.Go(func() {
		defer signal.Stop(signals)
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP {
					run.Stop("the terminal went away")
				}
				g.view.Leave()
			case <-g.stop:
				return
			}
		}
	})
	return g
}

func (g *gameday) Append(b journal.Batch) error {
	if err := g.view.Append(b); err == nil {
		return nil
	}
	<-g.view.Ended() // the terminal is being given back: a moment
	if g.stderr.release() {
		fmt.Fprintln(g.stderr, "brunt: the display has ended; the run goes on (Ctrl-C stops it)")
	}
	return g.lines.Append(b)
}

// Close returns when the person has left the display.
func (g *gameday) Close() error {
	err := g.view.Close()
	g.closing.Do(func() {
		close(g.stop)
		g.watching.Wait()
		log.SetOutput(os.Stderr)
		g.stderr.release()
	})
	return err
}

// heldLimit bounds what is held back.
const heldLimit = 1 << 20

// A heldOutput passes on what is written to it, or holds it back while a
// display has the terminal. It is safe for concurrent use.
type heldOutput struct {
	mu   sync.Mutex
	to   io.Writer
	held bool
	text bytes.Buffer
	lost int64
}

func (h *heldOutput) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.held:
		return h.to.Write(b)
	case h.text.Len()+len(b) > heldLimit:
		h.lost += int64(len(b))
		return len(b), nil
	}
	return h.text.Write(b)
}

func (h *heldOutput) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = true
}

// release passes on what was held back, and what comes. It is false when
// nothing was being held back.
func (h *heldOutput) release() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.held {
		return false
	}
	h.held = false
	_, err := h.text.WriteTo(h.to)
	if err == nil && h.lost > 0 {
		fmt.Fprintf(h.to, "brunt: %d bytes more were written to stderr and are not shown\n", h.lost)
	}
	return true
}
