package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/brunt-dev/brunt/chaos"
)

// A Real is a namespace of a real API server, for tests with the tag e2e.
type Real struct {
	Kubeconfig, Namespace string

	client *http.Client
	url    string
}

// ConnectAny reaches the fake cluster when the kubeconfig is an address, and
// otherwise the one of the file.
func ConnectAny(target chaos.Kubernetes) (*rest.Config, chaos.Kubernetes, error) {
	if strings.HasPrefix(target.Kubeconfig, "http://") {
		return Connect(target)
	}
	config, err := fromFile(target.Kubeconfig)
	return config, target, err
}

// fromFile reads a kubeconfig, for connections of one's own.
func fromFile(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Dial, config.QPS = new(net.Dialer).DialContext, -1
	return config, nil
}

// NewReal makes the namespace, and deletes it with the test.
func NewReal(t *testing.T, kubeconfig, namespace string) *Real {
	t.Helper()
	config, err := fromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.TLSClientConfig.NextProtos = []string{"http/1.1"} // connections end when they are closed
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	r := &Real{kubeconfig, namespace, client, config.Host}
	r.Post(t, "/api/v1/namespaces", `{"metadata":{"name":"`+namespace+`"}}`)
	t.Cleanup(func() {
		r.call(t, http.MethodDelete, "/api/v1/namespaces/"+namespace, "", "")
		client.CloseIdleConnections()
	})
	return r
}

// Target is the namespace as a scenario's target.
func (r *Real) Target() chaos.Kubernetes {
	return chaos.Kubernetes{Kubeconfig: r.Kubeconfig, Namespace: r.Namespace}
}

// call makes a request; $NS in a path or body is the namespace.
func (r *Real) call(t *testing.T, method, path, kind, body string) Object {
	t.Helper()
	fill := func(s string) string { return strings.ReplaceAll(s, "$NS", r.Namespace) }
	request, err := http.NewRequest(method, r.url+fill(path), bytes.NewReader([]byte(fill(body))))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer r.client.CloseIdleConnections() // no goroutine is left behind a call
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var o Object
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatalf("%s %s: %s", method, path, text)
	}
	if response.StatusCode >= http.StatusBadRequest {
		if response.StatusCode == http.StatusNotFound && method != http.MethodPost {
			return nil
		}
		t.Fatalf("%s %s: %s: %v", method, fill(path), response.Status, o["message"])
	}
	return o
}

// Post makes an object.
func (r *Real) Post(t *testing.T, path, body string) Object {
	t.Helper()
	return r.call(t, http.MethodPost, path, "application/json", body)
}

// Patch changes one, by a merge patch.
func (r *Real) Patch(t *testing.T, path, body string) Object {
	t.Helper()
	return r.call(t, http.MethodPatch, path, "application/merge-patch+json", body)
}

// Apply makes or changes one by server-side apply, as a manager. It fails the test
// where the manager would take fields from others.
func (r *Real) Apply(t *testing.T, path, manager, body string) Object {
	t.Helper()
	return r.call(t, http.MethodPatch, path+"?fieldManager="+manager, "application/apply-patch+yaml", body)
}

// Managers are who owns fields of one, but for what controllers write.
func (r *Real) Managers(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	meta, _ := r.Get(t, path)["metadata"].(Object) // nil when there is no such object
	list, _ := meta["managedFields"].([]any)
	for _, entry := range list {
		entry := entry.(Object)
		if entry["subresource"] == "status" || entry["manager"] == "lab" { // its controllers are one program
			continue
		}
		text, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// Get reads one; nil when there is none.
func (r *Real) Get(t *testing.T, path string) Object {
	t.Helper()
	return r.call(t, http.MethodGet, path, "", "")
}

// Delete deletes one, if it is there.
func (r *Real) Delete(t *testing.T, path string) { r.call(t, http.MethodDelete, path, "", "") }

// Pods makes a Deployment with so many pods of an app, and waits until they run.
func (r *Real) Pods(t *testing.T, app string, n int) {
	t.Helper()
	r.Post(t, "/apis/apps/v1/namespaces/$NS/deployments", fmt.Sprintf(`{"metadata":{"name":%q,"labels":{"app":%q}},"spec":{"replicas":%d,
		"selector":{"matchLabels":{"app":%q}},"template":{"metadata":{"labels":{"app":%q}},"spec":{"terminationGracePeriodSeconds":0,
		"containers":[{"name":"web","image":"web:1","ports":[{"containerPort":8080}]}],"volumes":[{"name":"data","hostPath":{"path":"/data"}}]}}}}`, app, app, n, app, app))
	r.Ready(t, app, n)
}

// Ready waits until so many pods of a deployment are ready, and no others.
func (r *Real) Ready(t *testing.T, app string, n int) {
	t.Helper()
	r.Until(t, fmt.Sprintf("%d pods of %s are ready", n, app), func() bool {
		status, _ := r.Get(t, "/apis/apps/v1/namespaces/$NS/deployments/"+app)["status"].(Object)
		return status["readyReplicas"] == float64(n) && status["replicas"] == float64(n)
	})
}

// Until waits for a condition.
func (r *Real) Until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}
