// Package kubetest is a fake API server for tests: it keeps objects of any kind
// as they are posted and patched, over real HTTP, with resource versions, UIDs,
// generations, selectors, dry runs, preconditions and evictions. It knows no
// schema, defaults nothing and runs no controllers; tests give it some with
// React. What depends on more is tested against a real API server.
package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/chaos"
)

// Namespace is the target's, and the one that objects have unless they say.
const Namespace = "shop"

// An Object is one as JSON has it.
type Object = map[string]any

// An API is a fake API server. Its methods are safe for concurrent use.
type API struct {
	URL string

	mu      sync.Mutex
	objects map[string]Object // by path
	version int
	// React is called, with the lock held, with each object that was made or
	// changed, and may change it further, as controllers do.
	React func(path string, object Object)
	// Refuse answers requests that are to fail, by a status such as 403; 0 lets
	// them through. Called with the lock held.
	Refuse func(r *http.Request) int
	// Unknown says which kinds of objects the server does not know, by their
	// path, such as /apis/chaos-mesh.org/v1alpha1/networkchaos. Nil: it knows all.
	Unknown func(resource string) bool
	calls   []string // of what changes: "PATCH /api/v1/nodes/a"
}

// New starts one, which ends with the test.
func New(t *testing.T) *API {
	t.Helper()
	a := Unserved()
	server := httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

// Unserved makes one that is on no network, for tests in a bubble of their own
// time: it is the Transport of their client.
func Unserved() *API { return &API{URL: "http://fake.test", objects: map[string]Object{}} }

// RoundTrip answers a request as if it had come over the network.
func (a *API) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	a.serve(recorder, r)
	return recorder.Result(), nil
}

// CloseIdleConnections is for those who end a client: there are none.
func (a *API) CloseIdleConnections() {}

// Target is a target in the fake cluster.
func (a *API) Target() chaos.Kubernetes {
	return chaos.Kubernetes{Kubeconfig: a.URL, Context: "fake", Namespace: Namespace}
}

// Connect reaches the fake cluster that a target names: its kubeconfig is the
// address itself, so that another process finds it too.
func Connect(target chaos.Kubernetes) (*rest.Config, chaos.Kubernetes, error) {
	// A dialer of its own keeps its connections apart from all others.
	return &rest.Config{Host: target.Kubeconfig, QPS: -1, Dial: new(net.Dialer).DialContext}, target, nil
}

// Put makes or replaces an object at a path such as
// /api/v1/namespaces/shop/pods/a, as text in JSON.
func (a *API) Put(path, text string) {
	var object Object
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		panic("kubetest: " + err.Error() + ": " + text)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.store(path, object, a.objects[path])
}

// Edit changes an object as someone else would.
func (a *API) Edit(path string, change func(Object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.objects[path]
	if was == nil {
		panic("kubetest: there is no " + path)
	}
	now := clone(was)
	change(now)
	a.store(path, now, was)
}

// Remove takes an object away.
func (a *API) Remove(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.objects, path)
}

// Get is an object as it is now; nil when there is none.
func (a *API) Get(path string) Object {
	a.mu.Lock()
	defer a.mu.Unlock()
	return clone(a.objects[path])
}

// Set lets a test change React and Refuse while requests may be under way.
func (a *API) Set(change func(*API)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

// Calls are the requests so far that were to change something.
func (a *API) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// State is everything there is, but for what changes with every write: equal
// texts are equal states.
func (a *API) State() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(a.objects)) {
		o := clone(a.objects[path])
		meta := o["metadata"].(Object)
		for _, key := range []string{"resourceVersion", "generation"} {
			delete(meta, key)
		}
		if status, ok := o["status"].(Object); ok {
			delete(status, "observedGeneration")
		}
		text, _ := json.Marshal(o) // it came from JSON
		fmt.Fprintf(&b, "%s %s\n", path, text)
	}
	return b.String()
}

func clone(o Object) Object {
	if o == nil {
		return nil
	}
	text, _ := json.Marshal(o) // it came from JSON
	var out Object
	_ = json.Unmarshal(text, &out)
	return out
}

// store keeps an object; was is what was there, nil when nothing.
func (a *API) store(path string, now, was Object) Object {
	a.version++
	meta, _ := now["metadata"].(Object)
	if meta == nil {
		meta = Object{}
		now["metadata"] = meta
	}
	_, namespace, name := split(path)
	if meta["name"] = name; namespace != "" {
		meta["namespace"] = namespace
	}
	if meta["uid"] == nil {
		meta["uid"] = "uid-" + strconv.Itoa(a.version)
	}
	if meta["generation"] == nil {
		meta["generation"] = 1.0
	} else if was != nil && !reflect.DeepEqual(was["spec"], now["spec"]) {
		meta["generation"] = meta["generation"].(float64) + 1
	}
	if now["kind"] == nil {
		now["kind"] = "Thing"
	}
	if now["apiVersion"] == nil {
		now["apiVersion"] = "v1"
	}
	meta["resourceVersion"] = strconv.Itoa(a.version)
	a.objects[path] = now
	if a.React != nil {
		a.React(path, now)
	}
	if finalizers, _ := meta["finalizers"].([]any); meta["deletionTimestamp"] != nil && len(finalizers) == 0 {
		delete(a.objects, path)
	}
	return now
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if a.Refuse != nil {
		if status := a.Refuse(r); status != 0 {
			fail(w, status, reasons[status], r.URL.Path, "the fake refuses "+r.Method+" "+r.URL.Path)
			return
		}
	}
	path, dry := r.URL.Path, r.URL.Query().Get("dryRun") == "All"
	if resource, _, _ := split(path); a.Unknown != nil && a.Unknown(resource) {
		answer(w, http.StatusNotFound, Object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": http.StatusNotFound,
			"message": "the server could not find the requested resource", "details": Object{}})
		return
	}
	if strings.HasSuffix(path, "/selfsubjectaccessreviews") {
		var review Object
		_ = json.Unmarshal(body, &review)
		review["status"] = Object{"allowed": true}
		answer(w, http.StatusCreated, review)
		return
	}
	if r.Method != http.MethodGet && !dry {
		a.calls = append(a.calls, r.Method+" "+path)
	}
	switch r.Method {
	case http.MethodGet:
		a.read(w, r)
	case http.MethodPost:
		a.post(w, path, body, dry)
	case http.MethodPatch:
		a.patch(w, path, body, dry)
	case http.MethodDelete:
		a.delete(w, path, body, dry)
	default:
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", path, "no "+r.Method)
	}
}

// split takes a path apart: the resource's own folder without its namespace, the
// namespace, and the name; the last two may be empty.
func split(path string) (resource, namespace, name string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	head := 2
	if parts[0] == "apis" {
		head = 3
	}
	if len(parts) <= head {
		return path, "", ""
	}
	prefix, rest := strings.Join(parts[:head], "/"), parts[head:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		namespace, rest = rest[1], rest[2:]
	}
	if len(rest) > 1 {
		name = rest[1]
	}
	return "/" + prefix + "/" + rest[0], namespace, name
}

func (a *API) read(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path == "/api" || path == "/apis" {
		a.discover(w, path)
		return
	}
	resource, namespace, name := split(path)
	if name != "" {
		if o := a.objects[path]; o != nil {
			answer(w, http.StatusOK, o)
			return
		}
		fail(w, http.StatusNotFound, "NotFound", path, path+" not found")
		return
	}
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", path, err.Error())
		return
	}
	items := []any{}
	for _, at := range slices.Sorted(maps.Keys(a.objects)) {
		o := a.objects[at]
		ofResource, in, _ := split(at)
		if ofResource == resource && (namespace == "" || in == namespace) &&
			selector.Matches(labels.Set(stringsOf(o, "metadata", "labels"))) && matchesFields(o, r.URL.Query().Get("fieldSelector")) {
			items = append(items, o)
		}
	}
	answer(w, http.StatusOK, Object{"kind": "List", "apiVersion": "v1", "metadata": Object{"resourceVersion": strconv.Itoa(a.version)}, "items": items})
}

// discover lists what there are objects of, as aggregated discovery does.
func (a *API) discover(w http.ResponseWriter, root string) {
	groups := map[string][]any{} // by group/version
	seen := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(a.objects)) {
		resource, namespace, _ := split(path)
		parts := strings.Split(strings.Trim(resource, "/"), "/")
		if "/"+parts[0] != root || seen[resource] {
			continue
		}
		seen[resource] = true
		scope := "Cluster"
		if namespace != "" {
			scope = "Namespaced"
		}
		key := strings.Join(parts[1:len(parts)-1], "/")
		groups[key] = append(groups[key], Object{"resource": parts[len(parts)-1], "scope": scope, "verbs": []any{"list", "patch", "delete"}})
	}
	items := []any{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		group, version, ok := strings.Cut(key, "/")
		if !ok {
			group, version = "", key
		}
		items = append(items, Object{"metadata": Object{"name": group}, "versions": []any{Object{"version": version, "resources": groups[key]}}})
	}
	answer(w, http.StatusOK, Object{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items})
}

func stringsOf(o any, path ...string) map[string]string {
	for _, key := range path {
		m, _ := o.(Object)
		o = m[key]
	}
	out := map[string]string{}
	m, _ := o.(Object)
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

func matchesFields(o Object, selector string) bool {
	for term := range strings.SplitSeq(selector, ",") {
		field, want, ok := strings.Cut(term, "=")
		if !ok {
			continue
		}
		var at any = o
		for key := range strings.SplitSeq(field, ".") {
			m, _ := at.(Object)
			at = m[key]
		}
		if at == nil {
			at = ""
		}
		if fmt.Sprint(at) != want {
			return false
		}
	}
	return true
}

func (a *API) post(w http.ResponseWriter, path string, body []byte, dry bool) {
	var o Object
	if err := json.Unmarshal(body, &o); err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", path, err.Error())
		return
	}
	if pod, ok := strings.CutSuffix(path, "/eviction"); ok {
		options, _ := o["deleteOptions"].(Object)
		text, _ := json.Marshal(options)
		a.delete(w, pod, text, dry)
		return
	}
	at := path + "/" + fmt.Sprint(o["metadata"].(Object)["name"])
	if a.objects[at] != nil {
		fail(w, http.StatusConflict, "AlreadyExists", at, at+" already exists")
		return
	}
	if !dry {
		o = a.store(at, o, nil)
	}
	answer(w, http.StatusCreated, o)
}

func (a *API) patch(w http.ResponseWriter, path string, body []byte, dry bool) {
	was := a.objects[path]
	if was == nil {
		fail(w, http.StatusNotFound, "NotFound", path, path+" not found")
		return
	}
	var patch Object
	if err := json.Unmarshal(body, &patch); err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", path, err.Error())
		return
	}
	if meta, ok := patch["metadata"].(Object); ok {
		have := was["metadata"].(Object)
		for _, key := range []string{"resourceVersion", "uid"} {
			if meta[key] != nil && meta[key] != have[key] {
				fail(w, http.StatusConflict, "Conflict", path, "the object has been modified")
				return
			}
		}
	}
	now := clone(was)
	merge(now, patch)
	if !dry {
		now = a.store(path, now, was)
	}
	answer(w, http.StatusOK, now)
}

// merge is a merge patch (RFC 7386).
func merge(into, patch Object) {
	for key, value := range patch {
		inner, isMap := value.(Object)
		switch {
		case value == nil:
			delete(into, key)
		case isMap:
			have, ok := into[key].(Object)
			if !ok {
				have = Object{}
				into[key] = have
			}
			merge(have, inner)
		default:
			into[key] = value
		}
	}
}

func (a *API) delete(w http.ResponseWriter, path string, body []byte, dry bool) {
	was := a.objects[path]
	if was == nil {
		fail(w, http.StatusNotFound, "NotFound", path, path+" not found")
		return
	}
	var options struct {
		Preconditions struct{ UID string }
	}
	_ = json.Unmarshal(body, &options)
	meta := was["metadata"].(Object)
	if uid := options.Preconditions.UID; uid != "" && uid != meta["uid"] {
		fail(w, http.StatusConflict, "Conflict", path, "the UID in the precondition does not match")
		return
	}
	finalizers, _ := meta["finalizers"].([]any)
	switch {
	case dry:
	case len(finalizers) > 0:
		now := clone(was)
		now["metadata"].(Object)["deletionTimestamp"] = time.Now().UTC().Format(time.RFC3339)
		a.store(path, now, was)
	default:
		delete(a.objects, path)
		if a.React != nil {
			a.React(path, nil)
		}
	}
	answer(w, http.StatusOK, was)
}

var reasons = map[int]string{
	http.StatusForbidden: "Forbidden", http.StatusNotFound: "NotFound", http.StatusConflict: "Conflict", http.StatusUnauthorized: "Unauthorized",
	http.StatusTooManyRequests: "TooManyRequests", http.StatusInternalServerError: "InternalError", http.StatusServiceUnavailable: "ServiceUnavailable",
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, reason, path, message string) {
	resource, _, name := split(path)
	answer(w, status, Object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": status,
		"details": Object{"name": name, "kind": resource[strings.LastIndexByte(resource, '/')+1:]}})
}
