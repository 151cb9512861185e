//go:build e2e && linux

package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
)

// Images that no worker comes of end the run before any traffic, with the reason
// that the node gives, and leave nothing behind.
func badImages(t *testing.T, r *rig) {
	r.addImage("brunt.test/done:1", "/brunt", "help")
	r.addImage("brunt.test/hollow:1", "/nothing")
	for image, want := range map[string]string{
		"brunt.test/none:1":   "brunt.test/none:1",
		"brunt.test/UPPER:1":  "InvalidImageName",
		"brunt.test/done:1":   "its container ended (Completed, exit code 0)",
		"brunt.test/hollow:1": "/nothing",
	} {
		t.Run(filepath.Base(image), func(t *testing.T) {
			r := r.with(t)
			s, c := r.serve(), r.connect()
			begun := time.Now()
			p := r.begin(s, game{lasts: 5 * time.Second, image: image})
			select {
			case <-p.done:
			case <-time.After(2 * time.Minute):
				t.Fatalf("it is still at it\n%s", &p.stderr)
			}
			t.Logf("after %v: %s", time.Since(begun).Round(time.Millisecond), &p.stderr)
			if code := p.wait(); code != 2 || !strings.Contains(p.stderr.String(), "refused before any traffic") || !strings.Contains(p.stderr.String(), want) {
				t.Errorf("exit %d, want 2 and %q\n%s", code, want, &p.stderr)
			}
			if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 || s.served() > 0 {
				t.Errorf("left behind: %d objects; %d requests served", len(left), s.served())
			}
		})
	}
}

// A service account with exactly the role that brunt rbac prints plays a run on
// pods, and leaves nothing behind.
func exactRole(t *testing.T, r *rig) {
	s, c := r.serve(), r.connect()
	accounts := c.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace(namespace)
	account := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "tester"}}}
	_, err := accounts.Create(t.Context(), account, metav1.CreateOptions{})
	r.must("make a service account", err)
	request := `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":3600}}`
	answer, err := c.rest.Post().Namespace(namespace).Resource("serviceaccounts").Name("tester").SubResource("token").
		SetHeader("Content-Type", "application/json").Body([]byte(request)).Do(t.Context()).Raw()
	r.must("ask for its token", err)
	var token struct{ Status struct{ Token string } }
	r.must("read its token", json.Unmarshal(answer, &token))
	config, err := clientcmd.LoadFromFile(r.kubeconfig)
	r.must("read kubeconfig", err)
	for _, user := range config.AuthInfos {
		user.Token = token.Status.Token
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	r.must("write kubeconfig", clientcmd.WriteToFile(*config, kubeconfig))

	// Without the role it is refused, with every permission that it has not.
	p := r.begin(s, game{lasts: 5 * time.Second, kubeconfig: kubeconfig})
	if code := p.wait(); code != 2 || !strings.Contains(p.stderr.String(), "create, get pods/attach in namespace "+namespace+": the workers") {
		t.Errorf("without the role: exit %d\n%s", code, &p.stderr)
	}
	cmd := r.command(r.brunt, "rbac", p.scenario, "--on", "kubernetes", "--service-account", namespace+":tester")
	cmd.Env = append(os.Environ(), "BRUNT_E2E_TOKEN="+secret)
	printed, err := cmd.Output()
	r.must("brunt rbac", err)
	t.Logf("brunt rbac:\n%s", printed)
	decoder := yaml.NewDecoder(strings.NewReader(string(printed)))
	for {
		var o map[string]any
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("rbac printed no YAML: %v", err)
		}
		text, err := json.Marshal(o)
		r.must("write the role", err)
		made := &unstructured.Unstructured{}
		r.must("read the role", made.UnmarshalJSON(text))
		kind := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(made.GetKind()) + "s"}
		_, err = c.dynamic.Resource(kind).Namespace(namespace).Create(t.Context(), made, metav1.CreateOptions{})
		r.must(fmt.Sprintf("make the %s", made.GetKind()), err)
	}
	r.until(30*time.Second, "the role is in force", func() bool {
		p = r.begin(s, game{lasts: 5 * time.Second, kubeconfig: kubeconfig})
		return p.wait() != 2
	})
	if code := p.wait(); code != 0 && code != 3 || s.served() == 0 { // a busy machine may have been the bottleneck
		t.Errorf("with the role: exit %d, %d served\n%s\n%s", code, s.served(), &p.stdout, &p.stderr)
	}
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 || strings.Contains(p.stderr.String(), "forbidden") {
		t.Errorf("left behind: %d objects\n%s", len(left), &p.stderr)
	}
}
