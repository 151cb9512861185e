package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	registerEvery = 200 * time.Millisecond // how often the lb is told which replicas there are
	restartAfter  = 250 * time.Millisecond // from the death of a process to the start of its successor
)

// A keeper starts, replaces and ends the processes of a stack.
type keeper struct {
	layout layout
	client *http.Client
	life   context.Context // ends when everything has to
	units  sync.WaitGroup

	change chan struct{} // capacity 1: desired changed, or a replica's unit ended

	mu       sync.Mutex
	desired  int
	replicas []replicaUnit // by index
}

// A replicaUnit is the place of one replica, running or not.
type replicaUnit struct {
	end   context.CancelFunc // ends the replica that is tended; nil when none is
	pid   int                // 0 when no process runs
	ready bool               // the lb sends it requests
}

// keeperState is what the keeper says at GET /state.
type keeperState struct {
	Desired  int            `json:"desired"`
	Replicas []replicaState `json:"replicas"` // those that run
}

type replicaState struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Pid     int    `json:"pid"`
	Ready   bool   `json:"ready"`
}

// scaleRequest is the body of PUT /scale.
type scaleRequest struct {
	Replicas int `json:"replicas"`
}

// runKeeper runs a whole stack until ctx ends, then kills all of it.
func runKeeper(ctx context.Context, l layout, _ string) error {
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{
		layout:   l,
		client:   newClient(300 * time.Millisecond),
		life:     ctx,
		change:   make(chan struct{}, 1),
		desired:  l.Min,
		replicas: make([]replicaUnit, len(l.Replicas)),
	}
	for _, role := range []string{namePayments, nameLB, nameAutoscaler} {
		k.units.Go(func() { k.tend(ctx, role, role, true, func(int) {}) })
	}
	k.reconcile(true)
	k.units.Go(func() { k.loop(ctx) })
	k.units.Go(func() { k.registerLoop(ctx) })
	defer k.units.Wait() // children are killed, not asked: this is short
	defer cancel()
	return serve(ctx, l.Keeper, k.handler())
}

func (k *keeper) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, k.state())
	})
	mux.HandleFunc("PUT /scale", func(w http.ResponseWriter, req *http.Request) {
		var s scaleRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxAnswer)).Decode(&s); err != nil {
			answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		k.scale(s.Replicas)
		answerJSON(w, http.StatusOK, k.state())
	})
	return mux
}

func (k *keeper) state() keeperState {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := keeperState{Desired: k.desired, Replicas: []replicaState{}}
	for i, u := range k.replicas {
		if u.pid != 0 {
			s.Replicas = append(s.Replicas, replicaState{replicaName(i), k.layout.Replicas[i], u.pid, u.ready})
		}
	}
	return s
}

func (k *keeper) scale(replicas int) {
	k.mu.Lock()
	k.desired = min(max(replicas, 1), len(k.replicas))
	k.mu.Unlock()
	k.wake()
}

func (k *keeper) wake() {
	select {
	case k.change <- struct{}{}:
	default: // a look is due already
	}
}

func (k *keeper) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.change:
			k.reconcile(false)
		}
	}
}

// reconcile starts and ends replicas until the first desired ones run. One
// that is still ending is started again when it has ended, which wakes loop.
func (k *keeper) reconcile(warm bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.replicas {
		u := &k.replicas[i]
		switch {
		case i < k.desired && u.end == nil:
			ctx, end := context.WithCancel(k.life)
			u.end = end
			k.units.Go(func() { k.tendReplica(ctx, i, warm) })
		case i >= k.desired && u.end != nil:
			u.end() // idempotent
		}
	}
}

func (k *keeper) tendReplica(ctx context.Context, i int, warm bool) {
	k.tend(ctx, "replica", replicaName(i), warm, func(pid int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.replicas[i].pid, k.replicas[i].ready = pid, false
	})
	k.mu.Lock()
	k.replicas[i].end()
	k.replicas[i].end = nil
	k.mu.Unlock()
	k.wake()
}

// tend keeps one process running until ctx ends. It tells running of each new
// pid, and of 0 when there is none.
func (k *keeper) tend(ctx context.Context, role, name string, warm bool, running func(pid int)) {
	file := pidFile(k.layout, name)
	for ctx.Err() == nil {
		l := k.layout
		l.Warm = warm
		c, err := spawn(l, role, name, false)
		if err != nil {
			slog.Error("cannot start", "process", name, "error", err)
			sleep(ctx, time.Second)
			continue
		}
		if err := writeFile(file, fmt.Sprintf("%d\n", c.pid())); err != nil {
			slog.Error("cannot write the pid file", "process", name, "error", err)
		}
		running(c.pid())
		slog.Info("started", "process", name, "pid", c.pid())
		select {
		case <-c.done:
		case <-ctx.Done():
			running(0) // out of the lb's list first
			k.end(c)
		}
		running(0)
		_ = os.Remove(file)
		_ = c.life.Close()
		slog.Info("ended", "process", name, "pid", c.pid(), "how", c.cmd.ProcessState.String())
		warm = false
		if ctx.Err() == nil {
			sleep(ctx, restartAfter)
		}
	}
}

// end asks a replica that is not wanted any more to finish what it has and
// end, and kills it when that takes too long or the stack has to go.
func (k *keeper) end(c *child) {
	// One round of registration, and what the lb has under way by then.
	if sleep(k.life, 2*registerEvery) {
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // not to be had everywhere: then it is killed below
		drain, cancel := context.WithTimeout(k.life, drainTime+time.Second)
		defer cancel()
		select {
		case <-c.done:
			return
		case <-drain.Done():
		}
	}
	c.kill()
	<-c.done
}

// registerLoop tells the lb again and again which replicas there are, so that
// a new lb knows soon, and learns from it which of them are healthy.
func (k *keeper) registerLoop(ctx context.Context) {
	tick := time.NewTicker(registerEvery)
	defer tick.Stop()
	for {
		k.register(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *keeper) register(ctx context.Context) {
	var known []backendState
	for _, r := range k.state().Replicas {
		known = append(known, backendState{Name: r.Name, Address: r.Address, Pid: r.Pid})
	}
	var seen []backendState
	if err := callJSON(ctx, k.client, http.MethodPut, "http://"+k.layout.LBAdmin+"/backends", known, &seen); err != nil {
		return // no lb for now: what was ready stays ready, it is only not reached
	}
	healthy := map[int]bool{}
	for _, b := range seen {
		healthy[b.Pid] = b.Healthy
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.replicas {
		if u := &k.replicas[i]; u.pid != 0 {
			u.ready = healthy[u.pid]
		}
	}
}
