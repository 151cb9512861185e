package reaper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

var (
	// errSilent says that the reaper is there and does not answer.
	errSilent = errors.New("the reaper does not answer")
	// errOverdue says that the reaper had to undo a fault while the run lived.
	errOverdue = errors.New("a fault outlived its declared maximum, and the reaper has undone it")
)

// A Lease is the run's end of it. It is a chaos.Lease; its methods are safe for
// concurrent use. Two goroutines belong to it, which Close waits for: one reads
// what the reaper says, one renews.
type Lease struct {
	clock        func() time.Duration
	lease, renew time.Duration
	to           io.WriteCloser
	from         io.ReadCloser
	process      *child // nil in tests
	dir          string // the lease's folder

	writing sync.Mutex // held while a line is being written

	mu      sync.Mutex
	n       int64
	waiting map[int64]chan reply
	held    map[string]chaos.Receipt // guarded and not released
	until   time.Duration            // on the clock: until then the reaper has promised to wait
	why     error                    // set when lost is closed
	ended   bool                     // the reaper says nothing any more
	closing bool

	lost    chan struct{}
	end     chan struct{} // closed by Close
	endOnce sync.Once
	own     sync.WaitGroup
}

// newLease begins to talk over the streams, and to renew. The reaper has
// acknowledged the order already, which was sent when the clock said began.
func newLease(to io.WriteCloser, from io.ReadCloser, lease, renew time.Duration, clock func() time.Duration) *Lease {
	return &Lease{
		clock: clock, lease: lease, renew: renew, to: to, from: from,
		waiting: map[int64]chan reply{}, held: map[string]chaos.Receipt{},
		lost: make(chan struct{}), end: make(chan struct{}),
	}
}

// start gives the reaper its order and, when it has taken it, begins to renew.
func (l *Lease) start(ctx context.Context, dir string, info Info) error {
	l.dir = dir
	l.own.Go(l.listen)
	began := l.clock()
	if _, err := l.ask(ctx, request{Do: doOpen, Dir: dir, Info: &info}); err != nil {
		return err
	}
	l.extend(began)
	l.own.Go(l.renewing)
	return nil
}

// Guard is that of chaos.Lease.
func (l *Lease) Guard(ctx context.Context, receipt chaos.Receipt) error {
	if err := l.Held(); err != nil {
		return fmt.Errorf("guard %s: %w", receipt.Fault, err)
	}
	if _, err := l.ask(ctx, request{Do: doGuard, Receipt: &receipt}); err != nil {
		return fmt.Errorf("guard %s: %w", receipt.Fault, err)
	}
	l.mu.Lock()
	l.held[receipt.ID] = receipt
	l.mu.Unlock()
	return nil
}

// Release is that of chaos.Lease.
func (l *Lease) Release(ctx context.Context, id string) error {
	l.mu.Lock()
	_, ok := l.held[id]
	delete(l.held, id) // it is gone, whether the reaper knows or not
	l.mu.Unlock()
	if !ok {
		return nil
	}
	err := l.Held()
	if !errors.Is(err, errSilent) {
		_, err = l.ask(ctx, request{Do: doRelease, ID: id})
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", id, err)
	}
	return nil
}

// Held is that of chaos.Lease. It looks at the clock, so that a process that
// was stopped knows it at once when it wakes up.
func (l *Lease) Held() error {
	l.mu.Lock()
	why, until := l.why, l.until
	l.mu.Unlock()
	if why == nil && l.clock() >= until {
		l.lose(fmt.Errorf("%w: it was not renewed for %s", chaos.ErrFenced, l.lease))
		return l.Held()
	}
	return why
}

// Lost is that of chaos.Lease.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Yield is that of chaos.Lease.
func (l *Lease) Yield(ctx context.Context) ([]chaos.Outcome, error) {
	l.lose(fmt.Errorf("%w: it was given up", chaos.ErrFenced))
	answer, err := l.ask(ctx, request{Do: doYield})
	if err != nil {
		return nil, fmt.Errorf("hand the faults over: %w: %w", chaos.ErrUnguarded, err)
	}
	return l.outcomes(answer.Outcomes), nil
}

// outcomes puts the receipts back that the reaper left out.
func (l *Lease) outcomes(results []result) []chaos.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []chaos.Outcome
	for _, r := range results {
		receipt, ok := l.held[r.ID]
		if !ok {
			receipt = chaos.Receipt{ID: r.ID, Fault: r.ID}
		}
		all = append(all, chaos.Outcome{Receipt: receipt, State: r.State, Reason: r.Reason, Took: r.Took})
	}
	return all
}

// ask sends a request and waits for its answer.
func (l *Lease) ask(ctx context.Context, r request) (reply, error) {
	answer := make(chan reply, 1)
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return reply{}, chaos.ErrUnguarded
	}
	l.n++
	r.N = l.n
	l.waiting[r.N] = answer
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiting, r.N)
		l.mu.Unlock()
	}()

	l.writing.Lock()
	err := writeLine(l.to, r)
	l.writing.Unlock()
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", chaos.ErrUnguarded, err)
	}
	select {
	case a, ok := <-answer:
		switch {
		case !ok:
			return reply{}, chaos.ErrUnguarded
		case a.Fenced:
			l.lose(fmt.Errorf("%w: %s", chaos.ErrFenced, a.Error))
			return a, fmt.Errorf("%w: %s", chaos.ErrFenced, a.Error)
		case a.Error != "":
			return a, errors.New("the reaper says: " + a.Error)
		}
		return a, nil
	case <-ctx.Done():
		return reply{}, errors.Join(errSilent, context.Cause(ctx))
	}
}

// listen takes in what the reaper says, until it says no more.
func (l *Lease) listen() {
	err := lines(l.from, l.heard)
	l.mu.Lock()
	l.ended = true
	for _, answer := range l.waiting {
		close(answer)
	}
	clear(l.waiting)
	closing := l.closing
	l.mu.Unlock()
	if !closing {
		l.lose(errors.Join(fmt.Errorf("%w: their reaper has died", chaos.ErrUnguarded), err))
	}
}

func (l *Lease) heard(r reply) {
	switch {
	case r.Tell == tellFenced:
		l.lose(fmt.Errorf("%w: the reaper has taken over: %s", chaos.ErrFenced, r.Text))
	case r.Tell == tellOverdue:
		l.lose(fmt.Errorf("%w: %s", errOverdue, r.Text))
	case r.N != 0:
		l.mu.Lock()
		answer := l.waiting[r.N]
		delete(l.waiting, r.N)
		l.mu.Unlock()
		if answer != nil {
			answer <- r
		}
	}
}

// renewing renews the lease until it has run out or is closed. A lease lost
// over one fault that was overdue goes on for the others, until the run has
// undone them.
func (l *Lease) renewing() {
	tick := time.NewTicker(l.renew)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.end:
			return
		}
		if err := l.Held(); err != nil && !errors.Is(err, errOverdue) {
			return
		}
		if err := l.renewOnce(); err != nil {
			l.lose(fmt.Errorf("%w: the lease could not be renewed: %w", chaos.ErrUnguarded, err))
			return
		}
	}
}

func (l *Lease) renewOnce() error {
	ctx, cancel := context.WithTimeout(context.Background(), l.renew)
	defer cancel()
	began := l.clock()
	if _, err := l.ask(ctx, request{Do: doRenew}); err != nil {
		return err
	}
	l.extend(began)
	return nil
}

// extend counts the lease from before the request was sent, which is before the
// reaper counts it from.
func (l *Lease) extend(began time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = max(l.until, began+l.lease)
}

// lose ends the lease; only the first reason is kept.
func (l *Lease) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
		close(l.lost)
	}
}

// Close says that the run has ended and returns when the reaper has. The reaper
// tries once to undo what was guarded and not released; what is left after that
// stays in the state folder, for `brunt undo`. It is idempotent. A reaper that
// does not end in time, or did not answer before, is killed.
func (l *Lease) Close(ctx context.Context) error {
	var err error
	l.endOnce.Do(func() { err = l.close(ctx) })
	return err
}

func (l *Lease) close(ctx context.Context) error {
	l.mu.Lock()
	l.closing = true
	silent := errors.Is(l.why, errSilent)
	l.mu.Unlock()
	close(l.end)
	var err error
	if !silent {
		err = l.sayClose(ctx)
	}
	_ = l.to.Close()
	if l.process != nil {
		err = errors.Join(err, l.process.stop(ctx, silent))
	}
	_ = l.from.Close()
	l.own.Wait()
	l.mu.Lock()
	clean := len(l.held) == 0 && !errors.Is(l.why, chaos.ErrFenced)
	l.mu.Unlock()
	if clean {
		err = errors.Join(err, remove(l.dir)) // a reaper that was killed could not
	}
	if err != nil {
		return fmt.Errorf("end the lease: %w", err)
	}
	return nil
}

// sayClose returns when the reaper has undone what it can. A dead one is no
// error: that was said when it was seen.
func (l *Lease) sayClose(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeBound)
	defer cancel()
	if _, err := l.ask(ctx, request{Do: doClose}); !errors.Is(err, chaos.ErrUnguarded) {
		return err
	}
	return nil
}

// closeBound is how long a reaper may take to end: it may be undoing.
const closeBound = chaos.UndoBound + 5*time.Second
