package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An answer is what came back, without regard to the HTTP version.
type answer struct {
	status int
	fields fields
	body   []byte // when it is kept
	size   int64  // of the body, decoded if it was
}

// An attempt is an operation in progress.
type attempt struct {
	s        *session
	sc       *scratch
	op       *generators.Op
	deadline time.Time
	timeout  time.Duration
	stages   stages
	started  bool

	mayPause bool
	waiting  bool      // a request has been sent, and no byte of its answer has come
	pausedAt time.Time // since when it waits in a pause
	before   int64     // what had been handed to the connection before the request

	hop   int    // how many redirects were followed
	first string // the host of the first message
	again bool   // the message is sent for the second time
	fresh bool   // its connection was made for it
	loan  loan
}

// errPause says that an attempt has come to where it waits for an answer, and
// that this may take long.
var errPause = errors.New("the answer is still to come")

// perform plays one request and fills op. It returns false where it waits for
// the answer and is to be called again.
func (s *session) perform(ctx context.Context, r *request, op *generators.Op, mayPause bool) (done bool) {
	at := &s.arrival
	var err error
	sc := at.waiting
	if sc == nil {
		op.Step, op.Due = r.step, at.due
		sc = scratches.Get().(*scratch)
		sc.attempt = attempt{s: s, sc: sc, op: op, timeout: r.timeout, mayPause: mayPause}
		if err = sc.render(&sc.message, r, s.g.config.Base, s.scope()); err != nil {
			err = localError{err}
		}
	} else {
		at.waiting = nil
		sc.resume()
		sc.attempt.op, sc.attempt.mayPause = op, mayPause
	}
	a := &sc.attempt
	if err == nil {
		err = a.play(ctx, &sc.message, r)
	}
	if errors.Is(err, errPause) {
		a.pausedAt = time.Now()
		sc.pause()
		at.waiting = sc
		return false
	}
	defer sc.release()
	if err == nil {
		err = a.judge(r, s.scope())
	}
	op.Ended = time.Now()
	if !a.started {
		op.Started = notBefore(op.Ended, op.Due)
	}
	op.Ended = notBefore(op.Ended, op.Started)
	op.DNS, op.Connect, op.TLS = a.stages.dns, a.stages.connect, a.stages.tls
	if err == nil && r.expect.time != nil {
		if took := op.Ended.Sub(op.Started); !r.expect.time.holds(took) {
			err = checkFailed("it took %v, not %s", took.Round(time.Microsecond), r.expect.time.text)
		}
	}
	a.conclude(ctx, err)
	return true
}

// conclude sets the operation's class.
func (a *attempt) conclude(ctx context.Context, err error) {
	op := a.op
	if err == nil {
		op.Class = generators.OK
		return
	}
	var status statusError
	var tunnel tunnelError
	if errors.As(err, &tunnel) {
		op.Status = int(tunnel)
	}
	switch {
	case errors.As(err, &status):
		op.Class, op.Err = generators.Status, err
	case ctx.Err() != nil && !errors.As(err, new(checkError)):
		op.Class, op.Err = generators.Canceled, context.Cause(ctx)
	case isTimeout(err):
		op.Class, op.Err = generators.Timeout, &timeoutError{a.timeout, err}
	default:
		op.Class, op.Err = classify(err), err
	}
}

// A statusError is a status that the step did not expect.
type statusError int

func (e statusError) Error() string {
	if text := nethttp.StatusText(int(e)); text != "" {
		return fmt.Sprintf("status %d %s", int(e), text)
	}
	return fmt.Sprintf("status %d", int(e))
}

// start stamps the beginning, once.
func (a *attempt) start() {
	if a.started {
		return
	}
	a.started = true
	a.op.Started = notBefore(time.Now(), a.op.Due)
	a.deadline = a.op.Started.Add(a.timeout)
}

// play sends a message and follows redirects.
func (a *attempt) play(ctx context.Context, m *message, r *request) error {
	if !a.waiting {
		a.first = m.endpoint.host
		m.cookies = a.s.cookies(m)
	}
	for {
		if err := a.send(ctx, m); err != nil {
			return err
		}
		ans := &a.sc.answer
		if a.s.g.config.Cookies {
			if err := a.s.keepCookies(m, ans); err != nil {
				return err
			}
		}
		if by := a.s.g.config.ServedBy; by != "" {
			a.op.Server, _ = ans.fields.first(by)
		}
		if r.redirects == 0 || !isRedirect(ans.status) {
			return nil
		}
		location, ok := ans.fields.first("Location")
		if !ok {
			return nil
		}
		if a.hop == r.redirects {
			return checkFailed("more than %d redirects", r.redirects)
		}
		if err := m.redirect(ans.status, location); err != nil {
			return err
		}
		a.hop++
		m.foreign = m.endpoint.host != a.first
		m.cookies = a.s.cookies(m)
	}
}

// send sends one message and reads its answer. A request that was never taken
// from a kept-alive connection is sent once more on a new one.
func (a *attempt) send(ctx context.Context, m *message) error {
	for ; ; a.again = true {
		if !a.waiting {
			if err := a.takeConnection(ctx, m); err != nil {
				a.again = false
				return err
			}
		}
		l := &a.loan
		var keep bool
		var err error
		if l.c.mux != nil {
			keep, err = a.roundTripStream(ctx, l.c, m)
		} else {
			keep, err = a.roundTripH1(l.c, m)
		}
		if a.waiting {
			return err
		}
		if p := a.s.g.program.route.proxy; p != nil {
			err = p.via(err)
		}
		l.end(keep)
		if err == nil || a.fresh || a.again || !mayRepeat(m, a.sc.fields, err) || ctx.Err() != nil {
			a.again = false
			return err
		}
		a.s.g.resent.Add(1)
	}
}

// takeConnection finds or makes the connection for a message.
func (a *attempt) takeConnection(ctx context.Context, m *message) error {
	h, err := a.borrow(ctx)
	if err != nil {
		return err
	}
	a.loan = loan{a: a, h: h}
	if a.fresh, err = a.loan.connection(ctx, m.endpoint, a.again); err != nil {
		a.loan.end(false)
		return err
	}
	m.proxy = a.loan.c.proxy
	if a.loan.c.mux == nil {
		m.close = a.loan.c.left.Load() <= 0
	}
	return nil
}

// mayRepeat is true when a request that failed with err on a kept-alive
// connection can be sent again: it is proven that the server never took it.
func mayRepeat(m *message, fields []renderedField, err error) bool {
	if unprocessed(err) {
		return true
	}
	var u untaken
	return errors.As(err, &u) && (!u.begun || repeatable(m, fields))
}

// borrow takes a holder: the session's own, or one of the shared ones, for
// which it waits up to the timeout.
func (a *attempt) borrow(ctx context.Context) (*holder, error) {
	s := a.s
	if s.g.shared == nil {
		return &s.own, nil
	}
	select {
	case h := <-s.g.shared.free:
		return h, nil
	default:
	}
	wait := a.timeout
	if a.started {
		wait = time.Until(a.deadline)
	}
	s.startTimer(wait)
	defer s.timer.Stop()
	select {
	case h := <-s.g.shared.free:
		return h, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.timer.C:
		return nil, inStage(fmt.Sprintf("waiting for one of %d connections", len(s.g.shared.all)), context.DeadlineExceeded)
	}
}

// A loan is the use of a connection for one request.
type loan struct {
	a *attempt
	h *holder // nil once given back
	c *conn
}

// connection finds or makes the connection to an endpoint.
func (l *loan) connection(ctx context.Context, e endpoint, fresh bool) (made bool, err error) {
	g := l.a.s.g
	c := l.h.find(e, time.Now())
	if c != nil && fresh {
		l.h.forget(c)
		c = nil
	}
	if c == nil {
		l.a.start()
		dctx, cancel := context.WithDeadline(ctx, l.a.deadline)
		c, err = g.dial(dctx, e, l.h, &l.a.stages)
		cancel()
		if err != nil {
			return false, err
		}
		l.h.add(c)
		made = true
	}
	c.users.Add(1)
	c.left.Add(-1)
	l.c = c
	if c.mux != nil {
		l.giveBack()
	}
	return made, nil
}

// giveBack returns a shared holder.
func (l *loan) giveBack() {
	if l.h != nil && l.a.s.g.shared != nil {
		l.a.s.g.shared.free <- l.h
		l.h = nil
	}
}

// end ends the loan; a connection that is not to be kept is given up.
func (l *loan) end(keep bool) {
	if l.c != nil {
		if !keep && l.h != nil {
			l.h.forget(l.c)
		}
		l.c.drop()
	}
	l.giveBack()
}

// judge looks at the last answer.
func (a *attempt) judge(r *request, scope generators.Scope) error {
	ans := &a.sc.answer
	if !r.expect.statusOK(ans.status) {
		return statusError(ans.status)
	}
	if err := r.expect.check(ans, scope, a.sc.tmp); err != nil {
		return err
	}
	for i := range r.extracts {
		e := &r.extracts[i]
		value, ok := e.take(ans)
		if !ok {
			return checkFailed("nothing to extract for %s at %s", e.variable, e.source)
		}
		if a.s.vars == nil {
			a.s.vars = make(map[string]string)
		}
		a.s.vars[e.variable] = value
	}
	return nil
}
