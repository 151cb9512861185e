package docker

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// killAction ends a container's processes. Engines take that for a stop by
// hand, so a restart policy does not start them anew; where someone else does,
// those that were meant are dead all the same.
var killAction = action{
	prepare: func(Config, container, *image) error { return nil },
	inject:  func(ctx context.Context, e engine, i image) error { return e.do(ctx, i.ID, "kill?signal=KILL", nil) },
	look: func(_ context.Context, _ engine, c container, i image) (chaos.State, string, error) {
		if c.State.Running && c.State.StartedAt == i.StartedAt {
			return chaos.Gone, "", nil
		}
		return chaos.Active, "", nil
	},
	kernel: func(c container, i image) (active, known bool) {
		if c.State.Running && c.State.StartedAt == i.StartedAt {
			return false, lives(i)
		}
		return !lives(i), true
	},
	absent: chaos.Active,
}

// pauseAction freezes a container's processes.
var pauseAction = action{
	prepare: func(Config, container, *image) error { return nil },
	inject:  func(ctx context.Context, e engine, i image) error { return e.do(ctx, i.ID, pause, nil) },
	undo: func(ctx context.Context, e engine, c container, i image) error {
		switch {
		case !c.State.Paused:
			return nil
		case c.State.StartedAt != i.StartedAt:
			return &chaos.ConflictError{Target: i.String(), Want: "it paused since " + i.StartedAt, Found: "one started anew at " + c.State.StartedAt + " and paused"}
		}
		err := e.do(ctx, i.ID, "unpause", nil)
		if refusedAs(err, http.StatusConflict, http.StatusInternalServerError) {
			// Someone was faster, perhaps: engines differ in what they call it.
			if now, looked := e.inspect(ctx, i.ID); looked == nil && !now.State.Paused {
				return nil
			}
		}
		return err
	},
	look: func(_ context.Context, _ engine, c container, i image) (chaos.State, string, error) {
		switch {
		case !c.State.Paused:
			return chaos.Gone, "", nil
		case c.State.StartedAt != i.StartedAt:
			return chaos.Conflict, "one started anew at " + c.State.StartedAt + " and paused", nil
		default:
			return chaos.Active, "", nil
		}
	},
	kernel: func(c container, _ image) (active, known bool) { return frozen(c.ID, c.State.Pid) },
	absent: chaos.Gone,
}

// stopAction ends a container in good order.
var stopAction = action{
	prepare: func(config Config, c container, i *image) error {
		if c.HostConfig.AutoRemove {
			return fmt.Errorf("stopping %s would remove it (--rm), and it could not be started again; kill it instead, or make it without --rm", c)
		}
		if config.Grace > 0 {
			seconds := int((config.Grace + time.Second - 1) / time.Second)
			if time.Duration(seconds)*time.Second > callBound-longestStart {
				return fmt.Errorf("a grace of %s is longer than %s, the longest that brunt waits for", config.Grace, callBound-longestStart)
			}
			i.Grace = &seconds
		}
		return nil
	},
	inject: func(ctx context.Context, e engine, i image) error {
		verb := stop
		if i.Grace != nil {
			verb = fmt.Sprintf("stop?t=%d", *i.Grace)
		}
		return e.do(ctx, i.ID, verb, nil)
	},
	undo: func(ctx context.Context, e engine, c container, i image) error {
		switch {
		case c.State.Running:
			return nil
		case c.State.StartedAt != i.StartedAt:
			return &chaos.ConflictError{Target: i.String(), Want: "it stopped, or running", Found: "one started anew at " + c.State.StartedAt + " that has ended since"}
		}
		return e.do(ctx, i.ID, "start", nil)
	},
	look: func(_ context.Context, _ engine, c container, i image) (chaos.State, string, error) {
		switch {
		case c.State.Running:
			return chaos.Gone, "", nil
		case c.State.StartedAt != i.StartedAt:
			return chaos.Conflict, fmt.Sprintf("one started anew at %s that has ended since (exit code %d)", c.State.StartedAt, c.State.ExitCode), nil
		default:
			return chaos.Active, "", nil
		}
	},
	kernel: func(c container, i image) (active, known bool) {
		if c.State.Running {
			// Where its processes cannot be seen from here, nothing is known.
			seen := lives(image{ID: c.ID, Pid: c.State.Pid})
			return false, seen
		}
		return !lives(i), true
	},
	absent: chaos.Gone,
}

// longestStart is what is left of callBound for the engine's own work.
const longestStart = 5 * time.Second
