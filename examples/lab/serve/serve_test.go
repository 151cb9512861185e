package serve

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func simulated(name string, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: annotations},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")},
		}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func endpoints(ready ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"},
	}}
	for _, name := range ready {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name},
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	return s
}

// status asks the front door; 0 stands for a connection that was cut.
func status(t *Table, path string) (code int) {
	defer func() {
		if recover() == http.ErrAbortHandler {
			code = 0
		}
	}()
	w := httptest.NewRecorder()
	t.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code
}

func TestFrontDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		want := func(path string, code int) {
			t.Helper()
			if got := status(table, path); got != code {
				t.Errorf("%s: got %d, want %d", path, got, code)
			}
		}
		want("/shop/web/x", http.StatusNotFound) // no such Service
		table.PutSlice(endpoints())
		want("/shop/web/x", http.StatusServiceUnavailable) // nobody is ready
		table.PutSlice(endpoints("a"))
		want("/shop/web/x", http.StatusBadGateway) // the slice is ahead of the pods
		table.PutPod(simulated("a", nil))
		want("/shop/web/x", http.StatusOK)
		table.PutPod(simulated("b", map[string]string{ServiceTime: "soon"}))
		table.PutSlice(endpoints("b"))
		want("/shop/web", http.StatusInternalServerError) // its annotation means nothing
		table.DeletePod(simulated("b", nil))
		want("/shop/web", http.StatusBadGateway) // the slice is behind
		table.DeleteSlice(endpoints())
		want("/shop/web", http.StatusServiceUnavailable)
	})
}

// Requests go to the ready pods in turn.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		for _, name := range []string{"a", "b", "c"} {
			table.PutPod(simulated(name, nil))
		}
		table.PutSlice(endpoints("a", "c"))
		for range 10 {
			if got := status(table, "/shop/web/"); got != http.StatusOK {
				t.Fatalf("got %d", got)
			}
		}
		for i, want := range []uint64{5, 0, 5} {
			if p := table.Pods()[i]; p.Served != want {
				t.Errorf("%s served %d, want %d", p.Name, p.Served, want)
			}
		}
	})
}

// Two slots of 100 ms with three places to wait: of ten requests at once five
// are refused, and the others take 1, 1, 2, 2 and 3 turns.
// A connection that is pinned stays with its pod, and leaves it once that is no
// longer ready.
func TestPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		for _, name := range []string{"a", "b"} {
			table.PutPod(simulated(name, nil))
		}
		table.PutSlice(endpoints("a", "b"))
		connections := []context.Context{Pin(t.Context(), nil), Pin(t.Context(), nil)}
		ask := func() (by []string) {
			for _, connection := range connections {
				w := httptest.NewRecorder()
				table.ServeHTTP(w, httptest.NewRequestWithContext(connection, http.MethodGet, "/shop/web/", nil))
				by = append(by, w.Header().Get("X-Pod"))
			}
			return by
		}
		for range 3 {
			if by := ask(); !slices.Equal(by, []string{"a", "b"}) {
				t.Errorf("served by %s", by)
			}
		}
		table.PutSlice(endpoints("b"))
		if by := ask(); !slices.Equal(by, []string{"b", "b"}) {
			t.Errorf("with one pod ready: served by %s", by)
		}
		table.PutSlice(endpoints("a", "b"))
		if by := ask(); !slices.Equal(by, []string{"b", "b"}) {
			t.Errorf("with a pod that came late: served by %s", by)
		}
	})
}

func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPod(Key{}, "", capacity{service: 100 * time.Millisecond, slots: 2, queue: 3, milli: 500}, nil, time.Now())
		began := time.Now()
		var mu sync.Mutex
		took := map[time.Duration]int{}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := p.do(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, errFull) {
					took[0]++
				} else if err == nil {
					took[time.Since(began)]++
				} else {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for d, want := range map[time.Duration]int{0: 5, 100 * time.Millisecond: 2, 200 * time.Millisecond: 2, 300 * time.Millisecond: 1} {
			if took[d] != want {
				t.Errorf("%d took %s, want %d (all: %v)", took[d], d, want, took)
			}
		}
	})
}

// The CPU of a window is the share of the slots that were busy: 5 requests of
// 100 ms on 2 slots in one second are a quarter of 800m, also when the window
// ends in the middle of one.
func TestReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPod(Key{}, "", capacity{service: 100 * time.Millisecond, slots: 2, queue: 9, milli: 800}, nil, time.Now())
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { _ = p.do(t.Context()) })
		}
		wg.Wait() // 300 ms
		time.Sleep(700 * time.Millisecond)
		p.sample(time.Now())
		if r := p.last; r.MilliCPU != 200 || r.Rate != 5 || r.Window != time.Second {
			t.Errorf("got %+v", r)
		}
		time.Sleep(950 * time.Millisecond)
		wg.Go(func() { _ = p.do(t.Context()) })
		time.Sleep(50 * time.Millisecond)
		p.sample(time.Now()) // one slot of two busy for 50 ms of 1 s
		if r := p.last; r.MilliCPU != 20 || r.Rate != 0 || r.InFlight != 1 {
			t.Errorf("got %+v", r)
		}
		wg.Wait()
	})
}

// A pod that is given no time takes its requests with it; one that is told to
// end works on what it has and takes no more.
func TestKill(t *testing.T) {
	for _, abrupt := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			table := NewTable()
			table.PutPod(simulated("a", map[string]string{ServiceTime: "1s", Concurrency: "1"}))
			table.PutSlice(endpoints("a"))
			var codes [2]int
			var wg sync.WaitGroup
			for i := range codes {
				wg.Go(func() { codes[i] = status(table, "/shop/web/") }) // one worked on, one waiting
			}
			synctest.Wait()
			gone := simulated("a", nil)
			gone.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			gone.DeletionGracePeriodSeconds = ptr.To[int64](30)
			if abrupt {
				gone.DeletionGracePeriodSeconds = ptr.To[int64](0)
			}
			table.PutPod(gone)
			if got := status(table, "/shop/web/"); got != 0 {
				t.Errorf("abrupt %v: a new request got %d", abrupt, got)
			}
			table.DeletePod(gone)
			wg.Wait()
			want := [2]int{200, 200}
			if abrupt {
				want = [2]int{0, 0}
			}
			if codes != want {
				t.Errorf("abrupt %v: got %v, want %v", abrupt, codes, want)
			}
		})
	}
}

// A restarted container is a new process: what the old one worked on is lost.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		table.PutPod(simulated("a", map[string]string{ServiceTime: "1s"}))
		table.PutSlice(endpoints("a"))
		code := -1
		var wg sync.WaitGroup
		wg.Go(func() { code = status(table, "/shop/web/") })
		synctest.Wait()
		again := simulated("a", nil)
		again.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 1}}
		table.PutPod(again)
		wg.Wait()
		if code != 0 {
			t.Errorf("got %d", code)
		}
		if got := status(table, "/shop/web/"); got != http.StatusOK {
			t.Errorf("the new one: got %d", got)
		}
	})
}

// A client that goes away frees its slot.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPod(Key{}, "", capacity{service: time.Hour, slots: 1, milli: 100}, nil, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.do(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if p.running != 0 || p.waiting != 0 || p.sum.Failed != 1 || len(p.slot) != 0 {
			t.Errorf("left: %+v", p.sum)
		}
	})
}

func TestCapacityOf(t *testing.T) {
	for _, row := range []struct {
		key, value string
		want       capacity
		bad        bool
	}{
		{want: capacity{10 * time.Millisecond, 8, 64, 200}}, // defaults; CPU from the requests
		{ServiceTime, "20ms", capacity{20 * time.Millisecond, 8, 64, 200}, false},
		{Concurrency, "2", capacity{10 * time.Millisecond, 2, 64, 200}, false},
		{Concurrency, "0", capacity{}, true}, // nothing would ever be served
		{Queue, "0", capacity{10 * time.Millisecond, 8, 0, 200}, false},
		{Queue, "-1", capacity{}, true},
		{CPU, "1500m", capacity{10 * time.Millisecond, 8, 64, 1500}, false},
		{CPU, "much", capacity{}, true},
		{ServiceTime, "20", capacity{}, true}, // a unit is missing
	} {
		got, err := capacityOf(simulated("a", map[string]string{row.key: row.value}))
		if row.bad != (err != nil) || !row.bad && got != row.want {
			t.Errorf("%s=%q: got %+v, %v", row.key, row.value, got, err)
		}
	}
}
