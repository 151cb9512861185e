package pods

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	running  = `{"phase":"Running","containerStatuses":[{"state":{"running":{}}}]}`
	creating = `{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}`
	noImage  = `{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImagePull","message":"x: not found"}}}]}`
	backOff  = `{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image x: not found"}}}]}`
	noRoom   = `{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/3 nodes are available: 3 Insufficient cpu."}]}`
	badName  = `{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"InvalidImageName","message":"bad"}}}]}`
	exited   = `{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"Error","exitCode":127,"message":"worker: not found"}}}]}`
)

// Pods that will not run end the wait as soon as that is clear, with the
// cluster's own reason; pods that may yet run are waited for.
func TestAwait(t *testing.T) {
	type change struct {
		after time.Duration
		pods  []string
	}
	for name, tt := range map[string]struct {
		changes []change
		event   string // a warning about the Job
		want    string // in the error; empty: they run
		within  time.Duration
	}{
		"both run":          {changes: []change{{0, []string{creating, creating}}, {40 * time.Second, []string{running, creating}}, {50 * time.Second, []string{running, running}}}, within: 51 * time.Second},
		"no such image":     {changes: []change{{0, []string{running, noImage}}, {10 * time.Second, []string{running, backOff}}}, want: "1 of 2 do, and the others have been stuck for 30s: ImagePullBackOff: Back-off pulling image x: not found", within: 31 * time.Second},
		"pulled at last":    {changes: []change{{0, []string{noImage, noImage}}, {20 * time.Second, []string{creating, creating}}, {40 * time.Second, []string{running, running}}}, within: 41 * time.Second},
		"no name of one":    {changes: []change{{0, []string{creating, badName}}}, want: "start pod pod-1: InvalidImageName: bad", within: time.Second},
		"no room":           {changes: []change{{0, []string{noRoom, noRoom}}}, want: "0 of 2 do: not within 5m0s: it is not scheduled (0/3 nodes are available: 3 Insufficient cpu.) (2 pods)", within: RunningBound + time.Second},
		"room after a time": {changes: []change{{0, []string{running, noRoom}}, {3 * time.Minute, []string{running, running}}}, within: 181 * time.Second},
		"ends at once":      {changes: []change{{0, []string{exited, running}}}, want: "its container ended (Error, exit code 127): worker: not found", within: time.Second},
		"quota":             {event: "exceeded quota: compute", want: "0 of 2 do, and the others have been stuck for 30s: no pod can be made: exceeded quota: compute", within: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, config := fakeCluster(t)
				c, err := connect(config, shop)
				if err != nil {
					t.Fatal(err)
				}
				if tt.event != "" {
					api.Put("/api/v1/namespaces/shop/events/e", `{"type":"Warning","involvedObject":{"uid":"u-1"},"message":"`+tt.event+`"}`)
				}
				since := time.Now()
				go func() {
					for _, change := range tt.changes {
						time.Sleep(time.Until(since.Add(change.after)))
						for i, status := range change.pods {
							putPod(api, i, status)
						}
					}
				}()
				var told []string
				s := &starting{Team: &Team{cluster: c, job: "j", id: "0123", uid: "u-1"}, want: 2, progress: func(text string) { told = append(told, text) }}
				found, err := s.await(t.Context())
				took := time.Since(since)
				switch {
				case took > tt.within:
					t.Errorf("took %v: %v", took, err)
				case tt.want == "" && (err != nil || len(found) != 2 || found[1].name != "pod-1"):
					t.Errorf("found %+v: %v", found, err)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%v\nwant %s", err, tt.want)
				}
				if took > 10*time.Second && len(told) == 0 {
					t.Error("nobody was told that it takes so long")
				}
			})
		})
	}
}
