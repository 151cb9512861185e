package pods

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

// putJob keeps a Job with the id 0123 and one pod.
func putJob(api *kubetest.API, conditions string) {
	api.Put(jobPath+"left", fmt.Sprintf(`{"metadata":{"creationTimestamp":"2026-11-28T12:00:00Z","labels":{%q:"0123"},"annotations":{%q:"process 7 on laptop",%q:"2026-11-28T12:00:05.5Z",%q:"2026-11-28T13:00:00Z"}},
		"spec":{"completions":4},"status":{"active":2,"conditions":[%s]}}`, Label, Holder, Renewed, Expires, conditions))
	putPod(api, 0, running)
	// What the garbage collector does.
	api.Set(func(a *kubetest.API) {
		a.Refuse = func(r *http.Request) int {
			if r.Method == http.MethodDelete {
				go api.Remove("/api/v1/namespaces/shop/pods/pod-0")
			}
			return 0
		}
	})
}

// A Job that its run has left is removed with its pods; one whose lease is
// renewed is not, whatever the clocks say.
func TestDismiss(t *testing.T) {
	for name, tt := range map[string]struct {
		conditions string
		renews     bool
		meanwhile  func(*kubetest.API)
		want       error
		removed    bool
		within     time.Duration
	}{
		"left":             {removed: true, within: Lease + 2*time.Second},
		"ended":            {conditions: `{"type":"Failed","status":"True","reason":"DeadlineExceeded"}`, removed: true, within: time.Second},
		"alive":            {renews: true, want: ErrHeld, within: renewEvery + time.Second},
		"removed by other": {meanwhile: func(a *kubetest.API) { a.Remove(jobPath + "left") }, removed: true, within: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, config := fakeCluster(t)
				putJob(api, tt.conditions)
				c, err := connect(config, shop)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				if tt.renews {
					go (&Team{cluster: c, job: "left"}).renew(ctx)
				}
				if tt.meanwhile != nil {
					time.AfterFunc(3*time.Second, func() { tt.meanwhile(api) })
				}
				found, blind, err := Find(t.Context(), config, "")
				if err != nil || blind || len(found) != 1 {
					t.Fatalf("found %v, %v: %v", found, blind, err)
				}
				since := time.Now()
				if err := Dismiss(t.Context(), config, found[0]); !errors.Is(err, tt.want) {
					t.Errorf("dismissed: %v, want %v", err, tt.want)
				}
				if took := time.Since(since); took > tt.within {
					t.Errorf("took %v", took)
				}
				if gone := api.Get(jobPath+"left") == nil; gone != tt.removed {
					t.Errorf("removed: %v", gone)
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}

// What a Job says of itself is read; where not all namespaces may be looked at,
// one is.
func TestFind(t *testing.T) {
	api, config := fakeCluster(t)
	putJob(api, "")
	forbidden := []string{"/apis/batch/v1/jobs"}
	api.Set(func(a *kubetest.API) {
		a.Refuse = func(r *http.Request) int {
			if slices.Contains(forbidden, r.URL.Path) {
				return http.StatusForbidden
			}
			return 0
		}
	})
	found, blind, err := Find(t.Context(), config, shop)
	if err != nil || blind || len(found) != 1 {
		t.Fatalf("found %v, %v: %v", found, blind, err)
	}
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	want := Found{Job: "left", Namespace: shop, Made: noon.Local(), Until: noon.Add(time.Hour), HeldBy: "process 7 on laptop", Renewed: noon.Add(5500 * time.Millisecond), Workers: 4, Active: 2, id: "0123", uid: found[0].uid}
	if found[0] != want {
		t.Errorf("%+v\nwant %+v", found[0], want)
	}
	forbidden = append(forbidden, "/apis/batch/v1/namespaces/shop/jobs")
	if found, blind, err := Find(t.Context(), config, shop); err != nil || !blind || len(found) > 0 {
		t.Errorf("where nothing may be listed: %v, %v: %v", found, blind, err)
	}
}

// An API server that does not answer is asked again; one that refuses is not.
func TestRemoveTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, config := fakeCluster(t)
		putJob(api, "")
		status := http.StatusServiceUnavailable
		api.Set(func(a *kubetest.API) {
			next := a.Refuse
			a.Refuse = func(r *http.Request) int {
				if status != 0 {
					return status
				}
				return next(r)
			}
		})
		c, err := connect(config, shop)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Second, func() { api.Set(func(*kubetest.API) { status = 0 }) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.remove(ctx, "left", "0123", nil); err != nil || api.Get(jobPath+"left") != nil {
			t.Errorf("%v", err)
		}
		putJob(api, "")
		api.Set(func(a *kubetest.API) { a.Refuse = func(*http.Request) int { return http.StatusForbidden } })
		since := time.Now()
		if err := c.remove(ctx, "left", "0123", nil); err == nil || !strings.Contains(err.Error(), "remove job left in namespace shop") || time.Since(since) > time.Second {
			t.Errorf("refused: %v", err)
		}
	})
}
