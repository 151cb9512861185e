package pods

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// stuckBound is how long pods may be stuck: an image that is not there is
	// not there the third time either. One that is being pulled, or a pod that
	// waits for a node, is not stuck.
	stuckBound = 30 * time.Second
	// progressEvery is how often progress is told at the most.
	progressEvery = 5 * time.Second
	// noneBound is how long there may be no pod at all before it is asked why.
	noneBound = 3 * time.Second
)

// A starting waits until a worker runs in every pod of a Job.
type starting struct {
	*Team
	want     int
	progress func(string)

	told       string
	toldAt     time.Time
	stuckSince time.Time
}

// A standing is how the pods of a Job stand.
type standing struct {
	running []pod // in order of their index; those that do not run are zero
	ready   int   // how many run
	waiting string
	stuck   bool
}

// await returns the pods in order of their index.
func (s *starting) await(ctx context.Context) ([]pod, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, RunningBound, fmt.Errorf("not within %s", RunningBound))
	defer cancel()
	since := time.Now()
	var last standing
	for {
		now, err := s.look(ctx, time.Since(since) > noneBound)
		var never *neverError
		switch {
		case errors.As(err, &never):
			return nil, err
		case err == nil && now.ready == s.want:
			return now.running, nil
		case err == nil && s.isStuck(now.stuck):
			return nil, fmt.Errorf("wait for pods of job %s to run: %d of %d do, and the others have been stuck for %s: %s", s.job, now.ready, s.want, stuckBound, now.waiting)
		case err == nil:
			last = now
			s.tell(now)
		}
		if pause(ctx, lookEvery) == nil {
			continue
		}
		if last.running == nil { // the pods were never seen
			return nil, fmt.Errorf("wait for %d pods of job %s to run: %w", s.want, s.job, cmp.Or(err, context.Cause(ctx)))
		}
		return nil, fmt.Errorf("wait for pods of job %s to run: %d of %d do: %w: %s", s.job, last.ready, s.want, context.Cause(ctx), last.waiting)
	}
}

// A neverError is a pod that will never run.
type neverError struct{ pod pod }

func (e *neverError) Error() string { return "start pod " + e.pod.name + ": " + e.pod.broken }

// look says how the pods stand; ask, why there are none.
func (s *starting) look(ctx context.Context, ask bool) (standing, error) {
	found, err := s.cluster.list(ctx, s.id)
	if err != nil {
		return standing{}, err
	}
	now := standing{running: make([]pod, s.want)}
	number := map[string]int{} // of pods that wait for something
	var order []string
	for _, p := range found {
		switch {
		case p.broken != "":
			return standing{}, &neverError{p}
		case p.index >= 0 && p.index < s.want && p.running && now.running[p.index].name == "":
			now.running[p.index] = p
			now.ready++
		case p.waiting != "":
			if number[p.waiting]++; number[p.waiting] == 1 {
				order = append(order, p.waiting)
			}
			now.stuck = now.stuck || p.stuck
		}
	}
	for i, what := range order {
		if n := number[what]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d pods)", what, n)
		}
	}
	now.waiting = strings.Join(order, "; ")
	if len(found) == 0 && ask {
		now.waiting = s.refused(ctx)
		now.stuck = now.waiting != ""
	}
	return now, nil
}

// isStuck says whether pods have been stuck for too long.
func (s *starting) isStuck(stuck bool) bool {
	switch {
	case !stuck:
		s.stuckSince = time.Time{}
	case s.stuckSince.IsZero():
		s.stuckSince = time.Now()
	}
	return stuck && time.Since(s.stuckSince) > stuckBound
}

// refused is why the Job's controller can make no pods: a quota, or an admission
// webhook. Only its events say so.
func (s *starting) refused(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	list, err := s.cluster.dynamic.Resource(events).Namespace(s.cluster.namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning,involvedObject.uid=" + s.uid})
	if err != nil {
		return ""
	}
	for _, e := range list.Items {
		if message, _, _ := unstructured.NestedString(e.Object, "message"); message != "" {
			return "no pod can be made: " + message
		}
	}
	return ""
}

func (s *starting) tell(now standing) {
	text := fmt.Sprintf("%d of %d workers run", now.ready, s.want)
	if now.waiting != "" {
		text += "; the others wait: " + now.waiting
	}
	if s.progress == nil || text == s.told || time.Since(s.toldAt) < progressEvery {
		return
	}
	s.told, s.toldAt = text, time.Now()
	s.progress(text)
}
