package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// ErrCutOff says that a worker lost its controller.
var ErrCutOff = errors.New("the controller is gone")

// ErrRefused says that a worker could not play what it was to play.
var ErrRefused = errors.New("refused")

const (
	// silent is how long a worker plays on without a word from its controller,
	// which speaks twice a second.
	silent = 15 * time.Second
	// untold is how long it waits for its orders.
	untold = 10 * time.Minute
	// lookEvery is how often both sides look whether the other is still there.
	lookEvery = 250 * time.Millisecond
	// maxFiles bounds what a controller may send in files.
	maxFiles = 1 << 30
)

// ServeOptions make a worker.
type ServeOptions struct {
	In  io.Reader      // from the controller
	Out io.WriteCloser // to it; closed when the controller is given up

	Version string // brunt's own
	// Compile makes the plan. dir is the folder of the files that were sent, or
	// that of the orders.
	Compile func(o Orders, dir string) (plan *scenarios.Plan, redact func(string) string, err error)
	Wait    engine.Waiter // nil: engine.PreciseWait
}

// Serve is a worker's life: it takes orders, plays its slice of the loads, and
// returns when the controller lets it go. With ErrRefused it could not play,
// which the controller was told; with ErrCutOff the controller is gone: the load
// has ended then too.
func Serve(ctx context.Context, o ServeOptions) error {
	w := &worker{options: o, out: newLineWriter(o.Out), base: time.Now(), orders: make(chan order), encoder: journal.NewEncoder(), gone: make(chan struct{})}
	w.heard.Store(int64(untold - silent)) // it may take that long until the first word
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Not waited for: it ends with its stream, which may be standard input.
	go w.listen(ctx)
	err := w.obey(ctx)
	cancel()
	w.playing.Wait()
	return errors.Join(err, w.removeFiles())
}

type worker struct {
	options ServeOptions
	out     *lineWriter
	base    time.Time    // where its monotonic clock starts
	heard   atomic.Int64 // when it last heard of the controller, since base
	orders  chan order
	encoder *journal.Encoder // the run's goroutine uses it

	once sync.Once
	gone chan struct{} // closed when the controller is

	dir     string // of the files that were sent; empty until there are any
	sent    int64
	plan    *scenarios.Plan
	slice   engine.Slice
	redact  func(string) string
	run     *engine.LoadsRun
	playing sync.WaitGroup
}

// listen reads the controller's lines, and answers pings itself: an answer that
// had to wait for something else would tell the wrong time.
func (w *worker) listen(ctx context.Context) {
	in := newLineReader(w.options.In)
	for {
		var got order
		if err := in.next(&got); err != nil {
			w.giveUp()
			return
		}
		now := time.Now()
		w.heard.Store(int64(now.Sub(w.base)))
		if got.Ping != nil {
			w.say(answer{Pong: &pong{Sent: got.Ping.Sent, Mono: int64(now.Sub(w.base)), Wall: now.UnixNano(), Took: int64(time.Since(now))}})
			continue
		}
		select {
		case w.orders <- got:
		case <-ctx.Done():
			return
		}
	}
}

// say writes a line; a controller that cannot be told anything is gone.
func (w *worker) say(a answer) {
	if err := w.out.write(a); err != nil {
		w.giveUp()
	}
}

// giveUp closes the way to the controller, so that nothing waits to be written.
func (w *worker) giveUp() {
	w.once.Do(func() {
		close(w.gone)
		_ = w.options.Out.Close() // there is nobody to tell
	})
}

// obey does what it is told until it is let go or cut off.
func (w *worker) obey(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case got := <-w.orders:
			if got.End {
				w.hurry()
				return nil
			}
			if err := w.do(got); err != nil {
				w.say(answer{Refused: err.Error()})
				return fmt.Errorf("%w: %w", ErrRefused, err)
			}
		case <-ticker.C:
			if time.Since(w.base)-time.Duration(w.heard.Load()) > silent {
				w.giveUp()
			}
		case <-w.gone:
			w.hurry()
			return ErrCutOff
		case <-ctx.Done():
			w.giveUp()
			w.hurry()
			return context.Cause(ctx)
		}
	}
}

func (w *worker) hurry() {
	if w.run != nil {
		w.run.Hurry()
	}
}

func (w *worker) do(got order) error {
	switch {
	case got.File != nil:
		return w.keep(*got.File)
	case got.Orders != nil && w.plan == nil:
		return w.prepare(*got.Orders)
	case got.Start != nil && w.plan != nil && w.run == nil:
		w.start(w.base.Add(time.Duration(got.Start.At)))
	case got.Stop != nil && w.run != nil:
		if got.Stop.Hurry {
			w.run.Hurry()
		} else {
			w.run.Stop()
		}
	}
	return nil
}

// keep adds a piece to a file of the scenario's.
func (w *worker) keep(f file) error {
	if !filepath.IsLocal(f.Name) {
		return fmt.Errorf("keep file %s: it is not below the scenario's folder", f.Name)
	}
	if w.sent += int64(len(f.Data)); w.sent > maxFiles {
		return fmt.Errorf("keep file %s: more than %d MiB of files", f.Name, maxFiles>>20)
	}
	if w.dir == "" {
		dir, err := os.MkdirTemp("", "brunt-worker-")
		if err != nil {
			return fmt.Errorf("make folder for the scenario's files: %w", err)
		}
		w.dir = dir
	}
	name := filepath.Join(w.dir, f.Name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("keep file %s: %w", f.Name, err)
	}
	out, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep file %s: %w", f.Name, err)
	}
	_, err = out.Write(f.Data)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("keep file %s: %w", f.Name, err)
	}
	return nil
}

func (w *worker) removeFiles() error {
	if w.dir == "" {
		return nil
	}
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("remove the scenario's files: %w", err)
	}
	return nil
}

// prepare makes the plan and says so.
func (w *worker) prepare(o Orders) error {
	if o.Index < 0 || o.Index >= o.Of {
		return fmt.Errorf("worker %d of %d", o.Index, o.Of)
	}
	dir := o.Dir
	if dir == "" {
		dir = w.dir
	}
	plan, redact, err := w.options.Compile(o, dir)
	if err != nil {
		return fmt.Errorf("compile %s: %w", o.File, err)
	}
	digest, err := Digest(plan)
	if err != nil {
		return err
	}
	if digest != o.Digest {
		return fmt.Errorf("it comes to another plan than the controller: the worker is brunt %s, the controller %s; give both the same", w.options.Version, o.Version)
	}
	w.plan, w.redact, w.slice = plan, redact, engine.Slice{Index: o.Index, Of: o.Of}
	w.say(answer{Ready: &ready{Version: w.options.Version}})
	return nil
}

// start plays the loads from the origin on.
func (w *worker) start(origin time.Time) {
	w.run = engine.NewLoads(w.plan, engine.LoadsOptions{
		Slice: w.slice, Origin: origin, Wait: w.options.Wait, Redact: w.redact,
		Second: func(at time.Duration, b journal.Batch) {
			told, err := encodeSecond(w.encoder, at, b)
			if err != nil {
				w.giveUp() // never happens; without this second the rest means nothing
				return
			}
			w.say(answer{Second: told})
		},
	})
	w.playing.Go(func() {
		// Cut short by hurry, never by a context: whatever was sent is accounted for.
		w.run.Play(context.Background())
		w.say(answer{Done: true})
	})
}
