package reaper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// A Mender makes a fault of a kind that works from receipts alone.
type Mender = func(kind string) (chaos.Fault, bool)

// Bounds of what a reaper does when its run is dead.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// giveUp is how long it goes on trying what could not be undone.
	giveUp = 10 * time.Minute
	// recordBound is how long it tries to write into the run directory.
	recordBound = 10 * time.Second
)

// ServeOptions is how Serve talks to the run that started it. All but Clock and
// Log are required.
type ServeOptions struct {
	In    io.ReadCloser // the run's requests; its end says that the run is dead
	Out   io.Writer
	Mend  Mender
	Clock func() time.Duration // nil: the machine's boot clock
	Log   *slog.Logger         // nil: none
}

// Serve is the body of the hidden command that Start calls. It returns when the
// run has said that it has ended, or, once it has taken over, when everything is
// undone and recorded or cannot be.
func Serve(ctx context.Context, o ServeOptions) error {
	if o.Clock == nil {
		o.Clock = bootClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	requests := make(chan request)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer o.In.Close()
	defer cancel()
	reading.Go(func() {
		defer close(requests)
		err := lines(o.In, func(r request) {
			select {
			case requests <- r:
			case <-ctx.Done():
			}
		})
		if err != nil && ctx.Err() == nil {
			o.Log.Error("read requests", "error", err)
		}
	})
	first, ok := <-requests
	if !ok || first.Do != doOpen || first.Info == nil {
		return errors.New("serve reaper: the first line is no order; brunt itself starts this")
	}
	s := &server{ServeOptions: o, info: *first.Info, dir: first.Dir,
		guarded: map[string]*guarded{}, swept: make(chan []chaos.Outcome, 1)}
	if err := s.open(); err != nil {
		s.reply(reply{N: first.N, Error: err.Error()})
		return fmt.Errorf("serve reaper: %w", err)
	}
	s.reply(reply{N: first.N})
	return s.run(ctx, requests)
}

// A guarded fault is one that is to be undone should the run not do so.
type guarded struct {
	receipt chaos.Receipt
	until   time.Duration // on the clock; 0: no maximum was declared
	outcome chaos.Outcome // of the last try; its State is empty before
	checked bool          // looked at since that was last called for
	retry   time.Duration // wait before the next try
	next    time.Duration // when that is
}

func (g *guarded) gone() bool { return g.outcome.Gone() }

// A server is one reaper. One goroutine owns it, the one of run; sweeps are
// done by another and their outcomes come back through swept.
type server struct {
	ServeOptions
	info   Info
	dir    string
	copied *chaos.Receipts

	guarded map[string]*guarded
	expires time.Duration // when the lease runs out
	late    bool          // it had run out at the last look

	taken    bool
	orphan   bool          // the run is dead
	died     time.Duration // when that was seen
	settled  time.Duration // when nothing of the dead run can still be under way
	lastLook bool          // everything was looked at once more after that
	looked   time.Duration // when everything was last called to be looked at
	recorded bool          // the run directory knows
	yielding int64         // the request to be answered when everything is undone
	closing  int64         // likewise

	sweeping bool
	swept    chan []chaos.Outcome
}

// open makes the copy of the receipts and says that the lease is held.
func (s *server) open() (err error) {
	if s.info.Lease, s.info.Renew, err = times(s.info.Lease, s.info.Renew); err != nil {
		return err
	}
	if s.copied, err = chaos.OpenReceipts(s.dir); err != nil {
		return err
	}
	s.info.State, s.info.Reaper = Held, identify(os.Getpid())
	s.expires = s.Clock() + s.info.Lease
	return writeInfo(s.dir, s.info)
}

func (s *server) reply(r reply) {
	if err := writeLine(s.Out, r); err != nil && !s.orphan {
		s.Log.Warn("answer the run", "error", err)
	}
}

func (s *server) run(ctx context.Context, requests <-chan request) (err error) {
	var sweeps sync.WaitGroup
	defer sweeps.Wait()
	defer func() { err = errors.Join(err, s.copied.Close()) }()
	poll := time.NewTicker(pollEvery(s.info.Renew))
	defer poll.Stop()
	for {
		select {
		case r, ok := <-requests:
			if ok {
				s.answer(r)
				break
			}
			requests = nil
			s.die()
		case outcomes := <-s.swept:
			s.sweeping = false
			s.learn(outcomes)
		case <-poll.C:
			s.expire()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if s.sweeping {
			continue
		}
		todo, done := s.next(ctx)
		if done {
			return s.end()
		}
		if len(todo) > 0 {
			s.sweeping = true
			sweeps.Go(func() { s.swept <- s.sweep(context.WithoutCancel(ctx), todo) })
		}
	}
}

// answer does what the run asks for.
func (s *server) answer(r request) {
	answer := reply{N: r.N}
	fail := func(err error) {
		if err != nil {
			answer.Error = err.Error()
		}
	}
	switch {
	case r.Do == doYield:
		s.take("the run stood down")
		s.recheck()
		s.yielding = r.N
		return // answered when all is undone
	case r.Do == doClose:
		if len(s.guarded) > 0 {
			s.take("the run ended and left faults")
			s.recheck()
		}
		s.closing = r.N
		return
	case r.Do == doRelease:
		if g := s.guarded[r.ID]; g != nil && !s.taken {
			fail(s.copied.Gone(r.ID))
			delete(s.guarded, r.ID)
		}
	case s.taken:
		answer.Fenced, answer.Error = true, s.info.Why
	case r.Do == doRenew:
		s.expires, s.late = s.Clock()+s.info.Lease, false
		now := time.Now()
		_ = os.Chtimes(filepath.Join(s.dir, infoFile), now, now) // for people who look
	case r.Do == doGuard && r.Receipt != nil:
		fail(s.guard(*r.Receipt))
	default:
		answer.Error = fmt.Sprintf("%q makes no sense", r.Do)
	}
	s.reply(answer)
}

// guard puts a receipt on this side's disk.
func (s *server) guard(receipt chaos.Receipt) error {
	if err := s.copied.Made(receipt); err != nil {
		return err
	}
	if receipt.OneShot {
		return nil
	}
	g := &guarded{receipt: receipt}
	if receipt.Most > 0 {
		g.until = s.Clock() + receipt.Most
	}
	s.guarded[receipt.ID] = g
	return nil
}

// expire takes over when the lease has run out. It takes two looks to say so:
// when this process was itself stopped, renewals may wait to be read.
func (s *server) expire() {
	late := s.Clock() >= s.expires
	if late && s.late && !s.taken {
		s.take(fmt.Sprintf("the lease of %s ran out: the run's process is %s", s.info.Lease, s.info.Run.look()))
	}
	s.late = late
}

// die takes over from a run that is dead.
func (s *server) die() {
	s.orphan, s.died = true, s.Clock()
	s.settled = max(s.expires, s.died+s.info.Renew)
	if s.closing == 0 {
		s.take("the run's process died")
	}
}

// take takes the run's faults over.
func (s *server) take(why string) {
	if s.taken {
		return
	}
	s.taken, s.info.State, s.info.Why = true, Taken, why
	s.Log.Warn("taking over", "why", why, "faults", len(s.guarded))
	if _, err := chaos.Fence(s.info.RunDir); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Log.Error("fence the run", "error", err) // it judges its lease by itself too
	}
	if !s.orphan {
		s.reply(reply{Tell: tellFenced, Text: why})
	}
	if err := writeInfo(s.dir, s.info); err != nil {
		s.Log.Error("say so", "error", err)
	}
	s.recheck()
}

// recheck calls for another look at everything.
func (s *server) recheck() {
	s.looked = s.Clock()
	for _, g := range s.guarded {
		g.checked = false
	}
}

// next says what is to be looked at now, and whether the work is done.
func (s *server) next(ctx context.Context) (todo []*guarded, done bool) {
	now := s.Clock()
	due := func(g *guarded) bool {
		if !s.taken {
			return !g.gone() && g.until > 0 && now >= g.until && now >= g.next
		}
		return !g.checked || !g.gone() && g.retry > 0 && now >= g.next && s.mayRetry(now)
	}
	for _, id := range slices.Sorted(maps.Keys(s.guarded)) {
		if g := s.guarded[id]; due(g) {
			todo = append(todo, g)
		}
	}
	if len(todo) > 0 {
		return todo, false
	}
	if s.yielding != 0 {
		s.reply(reply{N: s.yielding, Outcomes: s.results()})
		s.yielding = 0
	}
	switch {
	case s.closing != 0:
		s.note(ctx)
		return nil, true
	case !s.taken:
		return nil, false
	case !s.orphan:
		// It may wake up in the middle of an inject.
		if now >= s.looked+s.info.Renew {
			s.recheck()
			return s.next(ctx)
		}
		return nil, false
	}
	s.note(ctx)
	if now >= s.settled && !s.lastLook {
		s.lastLook = true
		s.recheck()
		return s.next(ctx)
	}
	if !s.lastLook || s.left() > 0 && s.mayRetry(now) {
		return nil, false
	}
	return nil, s.recorded || now >= s.settled+recordBound
}

// mayRetry says whether what could not be undone is worth another try: always
// while the run is stopped, for a while when it is dead, and not when it has
// stood down and waits for the answer.
func (s *server) mayRetry(now time.Duration) bool {
	return s.yielding == 0 && s.closing == 0 && (!s.orphan || now < s.died+giveUp)
}

// left counts what may be undone by another try.
func (s *server) left() int {
	n := 0
	for _, g := range s.guarded {
		if !g.gone() && g.outcome.State != chaos.OutcomeConflict {
			n++
		}
	}
	return n
}

// sweep undoes what is not gone and looks again at what was, all at once. It
// runs in a goroutine of its own and owns nothing.
func (s *server) sweep(ctx context.Context, todo []*guarded) []chaos.Outcome {
	outcomes := make([]chaos.Outcome, len(todo))
	var wg sync.WaitGroup
	for i, g := range todo {
		receipt, gone := g.receipt, g.gone()
		wg.Go(func() {
			fault, ok := s.Mend(receipt.Kind)
			switch {
			case !ok:
				outcomes[i] = chaos.Outcome{Receipt: receipt, State: chaos.OutcomeFailed,
					Reason: fmt.Sprintf("this brunt does not know faults of kind %q", receipt.Kind)}
				return
			case gone:
				looking, cancel := context.WithTimeout(ctx, chaos.UndoBound)
				defer cancel()
				// What cannot be seen may be there: the run may have woken up in the
				// middle of its inject. Undoing once more is harmless.
				if state, err := chaos.Look(looking, fault, receipt); err == nil && state != chaos.Active {
					outcomes[i] = chaos.Outcome{Receipt: receipt, State: chaos.OutcomeGone}
					return
				}
			}
			outcomes[i] = chaos.UndoOne(ctx, s.copied, fault, receipt)
		})
	}
	wg.Wait()
	return outcomes
}

// learn takes in the outcomes of a sweep.
func (s *server) learn(outcomes []chaos.Outcome) {
	now := s.Clock()
	var overdue []result
	for _, o := range outcomes {
		g := s.guarded[o.Receipt.ID]
		if g == nil {
			continue // released meanwhile
		}
		if g.outcome.State != o.State {
			s.Log.Info("undo", "outcome", o.String())
		}
		g.outcome, g.checked = o, true
		g.retry = min(max(2*g.retry, firstRetry), lastRetry)
		if o.State == chaos.OutcomeConflict {
			g.retry = 0 // only people can resolve it
		}
		g.next = now + g.retry
		if !s.taken {
			overdue = append(overdue, resultOf(o))
		}
	}
	if len(overdue) > 0 {
		s.reply(reply{Tell: tellOverdue, Outcomes: overdue, Text: outcomes[0].Receipt.Fault})
	}
}

func resultOf(o chaos.Outcome) result {
	const longest = 400 // of a reason: nobody may be reading, and pipes are short
	return result{ID: o.Receipt.ID, State: o.State, Reason: o.Reason[:min(len(o.Reason), longest)], Took: o.Took}
}

func (s *server) results() []result {
	all := []result{}
	for _, id := range slices.Sorted(maps.Keys(s.guarded)) {
		o := s.guarded[id].outcome
		o.Receipt = s.guarded[id].receipt
		all = append(all, resultOf(o))
	}
	return all
}

// note writes what became of the faults into the run directory, once the run
// has let go of it.
func (s *server) note(ctx context.Context) {
	if s.recorded || !s.taken {
		s.recorded = true
		return
	}
	recorded, err := chaos.OpenReceipts(s.info.RunDir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		s.recorded = true // it was removed: nobody is left to be told
		return
	case errors.Is(err, chaos.ErrLocked):
		return
	case err != nil:
		s.Log.Error("record in the run directory", "error", err)
		return
	}
	known := goneIn(s.copied)
	for id, g := range s.guarded {
		known[id] = g.outcome
	}
	err = record(context.WithoutCancel(ctx), recorded, known, s.Mend, func(o chaos.Outcome) { s.Log.Info("undo", "outcome", o.String()) })
	if err = errors.Join(err, recorded.Close()); err != nil {
		s.Log.Error("record in the run directory", "error", err)
		return
	}
	s.recorded = s.left() == 0
}

// end leaves the state folder as it should be: without a trace of a lease that
// is over, or with all that is needed to undo what is left.
func (s *server) end() error {
	unmended := 0
	for _, g := range s.guarded {
		if !g.gone() {
			unmended++
		}
	}
	var err error
	if unmended == 0 && s.recorded {
		err = remove(s.dir)
	} else {
		s.info.State = Left
		if unmended > 0 {
			s.info.Why = fmt.Sprintf("%d faults could not be undone", unmended)
		}
		err = writeInfo(s.dir, s.info)
	}
	if s.closing != 0 {
		answer := reply{N: s.closing, Outcomes: s.results()}
		if err != nil {
			answer.Error = err.Error()
		}
		s.reply(answer)
	}
	return err
}
