package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// object is one of Kubernetes, as JSON has it.
type object = map[string]any

// fakeAPI is a fake of an API server: it lists and watches what a test puts
// into it, over HTTP, and breaks on demand.
type fakeAPI struct {
	t        *testing.T
	server   *httptest.Server
	contacts atomic.Int64

	mu       sync.Mutex
	version  int                          // of the resources
	oldest   int                          // watches from before are answered with 410
	objects  map[string]map[string]object // by path, by name
	log      []fakeEvent
	news     chan struct{} // closed and made anew with every event and every break
	status   int           // what every request is answered with; 0: as it should be
	hang     bool          // requests are not answered
	requests []string
	lists    map[string]int
}

type fakeEvent struct {
	version int
	path    string
	kind    string
	object  object
}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, version: 10, objects: map[string]map[string]object{}, news: make(chan struct{}), lists: map[string]int{}}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

func (f *fakeAPI) connect(probes.Kubernetes) (*rest.Config, error) {
	return &rest.Config{Host: f.server.URL, QPS: 1000, Burst: 1000}, nil
}

func (f *fakeAPI) watchers() Watchers { return Watchers{Connect: f.connect} }

const (
	shopHPAs        = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
	shopDeployments = "/apis/apps/v1/namespaces/shop/deployments"
	shopPods        = "/api/v1/namespaces/shop/pods"
	shopEvents      = "/api/v1/namespaces/shop/events"
	allNodes        = "/api/v1/nodes"
	shopScaled      = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects"
	allClaims       = "/apis/karpenter.sh/v1/nodeclaims"
)

// put adds or changes an object. The metadata's name is filled in.
func (f *fakeAPI) put(path, name string, o object) {
	b, err := json.Marshal(o)
	if err != nil {
		f.t.Fatal(err)
	}
	var own object
	if err := json.Unmarshal(b, &own); err != nil {
		f.t.Fatal(err)
	}
	meta, _ := own["metadata"].(object)
	if meta == nil {
		meta = object{}
		own["metadata"] = meta
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := "ADDED"
	if f.objects[path] == nil {
		f.objects[path] = map[string]object{}
	}
	if f.objects[path][name] != nil {
		kind = "MODIFIED"
	}
	f.version++
	meta["name"], meta["resourceVersion"] = name, strconv.Itoa(f.version)
	if meta["uid"] == nil {
		meta["uid"] = path + "/" + name
	}
	own["kind"], own["apiVersion"] = kindOf(path)
	f.objects[path][name] = own
	f.tell(fakeEvent{f.version, path, kind, own})
}

func (f *fakeAPI) remove(path, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := maps.Clone(f.objects[path][name])
	delete(f.objects[path], name)
	f.version++
	f.tell(fakeEvent{f.version, path, "DELETED", o})
}

// tell records an event; the caller holds the lock.
func (f *fakeAPI) tell(e fakeEvent) {
	f.log = append(f.log, e)
	f.stir()
}

func (f *fakeAPI) stir() {
	close(f.news)
	f.news = make(chan struct{})
}

// answer makes every request be answered with a status; 0 as it should be.
// Connections are cut, so that watches notice.
func (f *fakeAPI) answer(status int) {
	f.mu.Lock()
	f.status, f.hang = status, false
	f.stir()
	f.mu.Unlock()
	f.server.CloseClientConnections()
}

// silence leaves every further request without an answer, and watches without
// news.
func (f *fakeAPI) silence() {
	f.mu.Lock()
	f.hang = true
	f.stir()
	f.mu.Unlock()
}

// expire forgets what happened up to now: watches end with 410 Gone, and what
// a test changes between is told by no watch.
func (f *fakeAPI) expire(between func()) {
	f.mu.Lock()
	f.status = http.StatusServiceUnavailable
	f.stir()
	f.mu.Unlock()
	f.server.CloseClientConnections()
	between()
	f.mu.Lock()
	f.oldest, f.log, f.status = f.version, nil, 0
	f.stir()
	f.mu.Unlock()
}

func kindOf(path string) (kind, version string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	version = parts[1]
	if parts[0] == "apis" {
		version = parts[1] + "/" + parts[2]
	}
	return map[string]string{shopHPAs: "HorizontalPodAutoscaler", shopDeployments: "Deployment", shopPods: "Pod", shopEvents: "Event",
		allNodes: "Node", shopScaled: "ScaledObject", allClaims: "NodeClaim"}[path], version
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	f.contacts.Add(1)
	f.mu.Lock()
	status, hang := f.status, f.hang
	f.requests = append(f.requests, r.URL.String())
	f.mu.Unlock()
	switch {
	case hang:
		f.wait(r, func() bool { return !f.hang })
		return
	case status != 0:
		f.fail(w, status)
		return
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"major":"1","minor":"36"}`)
		return
	}
	if kind, _ := kindOf(r.URL.Path); kind == "" {
		f.fail(w, http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	switch {
	case q.Get("sendInitialEvents") == "true":
		f.fail(w, http.StatusUnprocessableEntity) // as servers before 1.32 do
	case q.Get("watch") != "":
		f.watch(w, r)
	default:
		f.list(w, r)
	}
}

// wait waits until something is so, asked with the lock held, or the client
// goes.
func (f *fakeAPI) wait(r *http.Request, so func() bool) {
	for {
		f.mu.Lock()
		done, news := so(), f.news
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

var reasons = map[int]string{403: "Forbidden", 404: "NotFound", 410: "Expired", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}

func statusObject(code int) object {
	return object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reasons[code],
		"message": fmt.Sprintf("a fake %d", code)}
}

func (f *fakeAPI) fail(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(statusObject(code))
}

func chosen(r *http.Request, o object) bool {
	q := r.URL.Query()
	fieldSelector, err := fields.ParseSelector(q.Get("fieldSelector"))
	if err != nil {
		return false
	}
	labelSelector, err := labels.Parse(q.Get("labelSelector"))
	if err != nil {
		return false
	}
	meta := o["metadata"].(object)
	have := labels.Set{}
	if l, ok := meta["labels"].(object); ok {
		for k, v := range l {
			have[k] = fmt.Sprint(v)
		}
	}
	set := fields.Set{"metadata.name": fmt.Sprint(meta["name"]), "reason": fmt.Sprint(o["reason"])}
	if involved, ok := o["involvedObject"].(object); ok {
		set["involvedObject.kind"], set["involvedObject.name"] = fmt.Sprint(involved["kind"]), fmt.Sprint(involved["name"])
	}
	return fieldSelector.Matches(set) && labelSelector.Matches(have)
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists[r.URL.Path]++
	items := []object{}
	for _, name := range slices.Sorted(maps.Keys(f.objects[r.URL.Path])) {
		if o := f.objects[r.URL.Path][name]; chosen(r, o) {
			items = append(items, o)
		}
	}
	kind, version := kindOf(r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{"kind": kind + "List", "apiVersion": version, "metadata": object{"resourceVersion": strconv.Itoa(f.version)}, "items": items})
}

func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	out := json.NewEncoder(w)
	flush := func() { w.(http.Flusher).Flush() }
	flush()
	for {
		f.mu.Lock()
		if f.status != 0 {
			f.mu.Unlock()
			return
		}
		if from < f.oldest {
			f.mu.Unlock()
			_ = out.Encode(object{"type": "ERROR", "object": statusObject(http.StatusGone)})
			flush()
			return
		}
		var send []fakeEvent
		for _, e := range f.log {
			if e.version > from && e.path == r.URL.Path && chosen(r, e.object) && !f.hang {
				send = append(send, e)
			}
		}
		if !f.hang {
			from = max(from, f.version)
		}
		news := f.news
		f.mu.Unlock()
		for _, e := range send {
			if out.Encode(object{"type": e.kind, "object": e.object}) != nil {
				return
			}
		}
		flush()
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

// at is a time as the API writes it.
func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }
