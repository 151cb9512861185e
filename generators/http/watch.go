package http

import (
	"context"
	"sync"
)

// A watch stops the sessions that play under one context when that ends. One
// for all of them takes less memory than one each.
type watch struct {
	done    <-chan struct{} // of the context
	unwatch func() bool

	mu    sync.Mutex
	first *session
}

// watched is a session's place in a watch.
type watched struct {
	done <-chan struct{} // of the context; written under the session's lock
	by   *watch          // nil for none; the session's own

	in         bool // the watch's list: these are under its lock
	prev, next *session
}

// watch makes the end of ctx stop the session. The run hands the same context
// to every arrival, so this does nothing but compare most of the time.
func (s *session) watch(ctx context.Context) {
	done := ctx.Done()
	if done == s.watched.done {
		return
	}
	s.forget()
	s.mu.Lock()
	s.watched.done, s.stopped = done, false
	s.mu.Unlock()
	if done == nil {
		return
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.watches[done]
	if w == nil {
		w = &watch{done: done}
		if g.watches == nil {
			g.watches = make(map[<-chan struct{}]*watch)
		}
		g.watches[done] = w
	}
	w.add(s)
	s.watched.by = w
	if w.unwatch == nil {
		w.unwatch = context.AfterFunc(ctx, func() {
			g.mu.Lock()
			if g.watches[done] == w {
				delete(g.watches, done) // whoever comes later finds the context ended
			}
			g.mu.Unlock()
			w.stopAll()
		})
	}
}

// forget stops watching.
func (s *session) forget() {
	w := s.watched.by
	if w == nil {
		return
	}
	g := s.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.remove(s) && g.watches[s.watched.done] == w {
		delete(g.watches, s.watched.done)
		w.unwatch()
	}
	s.watched.by = nil
}

func (w *watch) add(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.watched.in, s.watched.next = true, w.first
	if w.first != nil {
		w.first.watched.prev = s
	}
	w.first = s
}

// remove takes a session off the list, and says whether none is left.
func (w *watch) remove(s *session) (empty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut(s)
	return w.first == nil
}

func (w *watch) cut(s *session) {
	at := &s.watched
	if !at.in {
		return
	}
	if at.prev == nil {
		w.first = at.next
	} else {
		at.prev.watched.next = at.next
	}
	if at.next != nil {
		at.next.watched.prev = at.prev
	}
	at.in, at.prev, at.next = false, nil, nil
}

// take takes any session off the list; nil when there is none.
func (w *watch) take() *session {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.first
	if s != nil {
		w.cut(s)
	}
	return s
}

// stopAll stops all sessions, a few at a time: a paused one plays its arrival
// to the end here, which takes a stack.
func (w *watch) stopAll() {
	const atOnce = 8
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for s := w.take(); s != nil; s = w.take() {
				s.stop(w.done)
			}
		})
	}
	wg.Wait()
}
