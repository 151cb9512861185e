package meter

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// two pods of one app, the second not measured yet.
type two struct{}

func (two) Pods(namespace string, match labels.Selector) []Pod {
	var out []Pod
	for _, p := range []Pod{
		{Namespace: "shop", Name: "a", Node: "n1", Labels: map[string]string{"app": "web"}, Containers: []string{"web", "sidecar"}, At: time.Unix(1000, 0), Window: 2 * time.Second, CPU: resource.MustParse("150m"), Memory: resource.MustParse("64Mi")},
		{Namespace: "shop", Name: "b", Node: "n1", Labels: map[string]string{"app": "web"}, Containers: []string{"web"}},
	} {
		if (namespace == "" || namespace == p.Namespace) && match.Matches(labels.Set(p.Labels)) {
			out = append(out, p)
		}
	}
	return out
}

func (two) PodMetric(p Pod, name string) (resource.Quantity, bool) {
	return resource.MustParse("42"), p.Name == "a" && name == "requests_per_second"
}

func (two) ServiceMetric(namespace, service, name string) (resource.Quantity, time.Time, bool) {
	return resource.MustParse("99"), time.Unix(1000, 0), namespace == "shop" && service == "web" && name == "requests_per_second"
}

func get(t *testing.T, m *Meter, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s: no JSON: %s", path, w.Body)
	}
	return w.Code, w.Body.String()
}

func TestMeter(t *testing.T) {
	m := New(two{})
	for _, row := range []struct {
		path string
		code int
		has  string // in the answer
		not  string
	}{
		{"/apis/metrics.k8s.io/v1beta1", 200, `"PodMetrics"`, ""},
		{"/apis/none.k8s.io/v1", 404, "", ""},
		// a pod that was not measured yet has no metrics, so that the HPA takes them as missing
		{"/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb", 200, `"cpu":"150m"`, `"name":"b"`},
		{"/apis/metrics.k8s.io/v1beta1/pods", 200, `"window":"2s"`, ""},
		{"/apis/metrics.k8s.io/v1beta1/namespaces/other/pods", 200, `"items":[]`, ""},
		{"/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/a", 200, `"kind":"PodMetrics"`, "items"},
		{"/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/c", 404, "", ""},
		{"/apis/metrics.k8s.io/v1beta1/nodes", 200, `"name":"n1"`, ""},
		{"/apis/metrics.k8s.io/v1beta1/nodes/n2", 404, "", ""},
		{"/apis/metrics.k8s.io/v1beta1/pods?labelSelector=%28", 400, "", ""},
		{"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/requests_per_second", 200, `"value":"42"`, `"name":"b"`},
		{"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/unknown", 404, "", ""},
		{"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/requests_per_second?labelSelector=service%3Dweb", 200, `"value":"99"`, ""},
		{"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/requests_per_second", 404, "service", ""},
	} {
		code, body := get(t, m, row.path)
		if code != row.code || !strings.Contains(body, row.has) || row.not != "" && strings.Contains(body, row.not) {
			t.Errorf("%s: got %d %s", row.path, code, body)
		}
	}
}

// What is set by hand wins, the most exact first, until it is let go of.
func TestForced(t *testing.T) {
	m := New(two{})
	set := func(s Setting, v string) {
		if v == "" {
			m.Set(s, nil)
			return
		}
		m.Set(s, ptr.To(resource.MustParse(v)))
	}
	want := func(path, has string) {
		t.Helper()
		if _, body := get(t, m, path); !strings.Contains(body, has) {
			t.Errorf("%s: %q is not in %s", path, has, body)
		}
	}
	const a, b = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/a", "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/b"
	set(Setting{Kind: "cpu"}, "1")
	want(a, `"cpu":"1"`)
	want(b, `"cpu":"1"`) // now it is known
	set(Setting{Kind: "cpu", Namespace: "shop"}, "2")
	want(a, `"cpu":"2"`)
	set(Setting{Kind: "cpu", Namespace: "shop", Pod: "b"}, "3")
	want(b, `"cpu":"3"`)
	want(a, `"cpu":"2"`)
	set(Setting{Kind: "cpu", Namespace: "shop"}, "")
	set(Setting{Kind: "cpu"}, "")
	want(a, `"cpu":"150m"`)
	set(Setting{Kind: "external", Name: "queue"}, "95")
	want("/apis/external.metrics.k8s.io/v1beta1/namespaces/any/queue", `"value":"95"`)
	set(Setting{Kind: "custom", Name: "depth", Namespace: "shop"}, "7")
	want("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/b/depth", `"value":"7"`)

	m.Down.Store(true)
	if code, _ := get(t, m, a); code != http.StatusServiceUnavailable {
		t.Errorf("switched off: got %d", code)
	}
}
