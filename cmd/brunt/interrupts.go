package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupts turns SIGINT and SIGTERM into what the run wants done. Until the
// run sets that, the first one cancels the context.
type interrupts struct {
	mu       sync.Mutex
	actions  []func()
	released func()
}

func catchInterrupts(ctx context.Context) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancel(ctx)
	i := &interrupts{actions: []func(){cancel}}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
				i.mu.Lock()
				action := i.actions[min(n, len(i.actions)-1)]
				i.mu.Unlock()
				action()
			case <-done:
				return
			}
		}
	})
	i.released = func() {
		signal.Stop(signals)
		close(done)
		watching.Wait()
		cancel()
	}
	return ctx, i
}

// set says what the first signal does, and what every one after it does.
// A signal that came before the call has been dealt with by cancelling.
func (i *interrupts) set(first, second func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.actions = []func(){first, second}
}

func (i *interrupts) release() { i.released() }
