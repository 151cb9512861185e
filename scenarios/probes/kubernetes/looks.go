package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// looks asks the API server for a sign of life now and then: a watch over a cut
// connection is silent for a long time. The answers date its clock, too.
type looks struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	broken error
}

func startLooks(ctx context.Context, config *rest.Config, client *http.Client, wake func()) *looks {
	ctx, cancel := context.WithCancel(ctx)
	l := &looks{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for {
			err := look(ctx, client, config)
			if ctx.Err() != nil {
				return
			}
			l.mu.Lock()
			changed := (l.broken == nil) != (err == nil)
			l.broken = err
			l.mu.Unlock()
			if changed {
				wake()
			}
			pause := lookEvery
			if err != nil {
				pause = lookAgain
			}
			next := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				next.Stop()
				return
			case <-next.C:
			}
		}
	}()
	return l
}

// look is one request that anybody may make; what it answers does not matter.
func look(ctx context.Context, client *http.Client, config *rest.Config) error {
	server, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return fmt.Errorf("look at the API server: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, lookBound)
	defer cancel()
	request, err := http.NewRequestWithContext(bounded, http.MethodGet, server.JoinPath("version").String(), nil)
	if err != nil {
		return fmt.Errorf("look at the API server: %w", err)
	}
	answer, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fmt.Errorf("no sign of life: %s", firstLine(err))
	}
	return answer.Body.Close()
}

func (l *looks) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *looks) stop() {
	l.cancel()
	<-l.done
}
