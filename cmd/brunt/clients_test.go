package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/chaos"
)

// writeKubeconfig writes one with the contexts staging and production, of which
// staging is the current one.
func writeKubeconfig(t *testing.T, server string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := `apiVersion: v1
kind: Config
current-context: staging
contexts:
- {name: staging, context: {cluster: one, user: me}}
- {name: production, context: {cluster: two, user: me}}
- {name: torn, context: {cluster: nowhere, user: me}}
clusters:
- {name: one, cluster: {server: "` + server + `"}}
- {name: two, cluster: {server: "https://two.example:6443"}}
users:
- {name: me, user: {token: secret}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestClusterFor(t *testing.T) {
	file := writeKubeconfig(t, "https://one.example:6443")
	empty := filepath.Join(t.TempDir(), "none")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, test := range []struct {
		name        string
		variable    string // KUBECONFIG
		target      chaos.Kubernetes
		server, ctx string
		err         string // part of the error
	}{
		{name: "the current context", target: chaos.Kubernetes{Kubeconfig: file}, server: "https://one.example:6443", ctx: "staging"},
		{name: "another", target: chaos.Kubernetes{Kubeconfig: file, Context: "production"}, server: "https://two.example:6443", ctx: "production"},
		{name: "by the environment", variable: file, server: "https://one.example:6443", ctx: "staging"},
		{name: "some of several files", variable: empty + ":" + file, server: "https://one.example:6443", ctx: "staging"},
		{name: "a misspelt context", target: chaos.Kubernetes{Kubeconfig: file, Context: "stagin"}, err: `has no context "stagin": did you mean staging?`},
		{name: "a context unlike any", target: chaos.Kubernetes{Kubeconfig: file, Context: "x"}, err: "there is production, staging, torn"},
		{name: "a context without its cluster", target: chaos.Kubernetes{Kubeconfig: file, Context: "torn"}, err: `names the cluster "nowhere", which is not there`},
		{name: "no such file", target: chaos.Kubernetes{Kubeconfig: empty}, err: "none: no such file"},
		{name: "none at all", err: "there is no kubeconfig"},
		{name: "none, and a context", target: chaos.Kubernetes{Context: "staging"}, err: `has no context "staging": there is no context at all`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", test.variable)
			test.target.Namespace = "shop"
			config, found, err := clusterFor(test.target)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q in it", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config.Host != test.server || found.Context != test.ctx || found.Namespace != "shop" {
				t.Errorf("server %s, found %+v", config.Host, found)
			}
			// The same cluster, from a process that has only what was found.
			t.Setenv("KUBECONFIG", empty)
			if again, same, err := clusterFor(found); err != nil || again.Host != config.Host || same != found {
				t.Errorf("found again: %+v, %v", same, err)
			}
		})
	}
}

// Inside a pod, the service account does.
func TestClusterForTakesFilesFirst(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	if _, _, err := clusterFor(chaos.Kubernetes{Namespace: "shop"}); err == nil || !strings.Contains(err.Error(), "service account") {
		t.Errorf("without a token: %v", err)
	}
	t.Setenv("KUBECONFIG", writeKubeconfig(t, "https://one.example:6443"))
	if config, _, err := clusterFor(chaos.Kubernetes{Namespace: "shop"}); err != nil || config.Host != "https://one.example:6443" {
		t.Errorf("with a kubeconfig: %v", err)
	}
}

func TestClusterErrors(t *testing.T) {
	expired := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer expired.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the run is over"))
	for _, test := range []struct {
		name, server string
		ctx          context.Context
		want         string
	}{
		{"expired", expired.URL, t.Context(), "refuses the credentials (401)"},
		{"dead", dead.URL, t.Context(), "(context staging) cannot be reached"},
		{"ended", expired.URL, ended, "the run is over"},
	} {
		config, _, err := clusterFor(chaos.Kubernetes{Kubeconfig: writeKubeconfig(t, test.server), Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(test.ctx, http.MethodGet, test.server+"/api", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil {
			// What clients of the API make an error of.
			text, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			err = errors.New(string(text))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.want)
		}
	}
}

// Credentials that were renewed while brunt runs are taken up once the server
// refuses the old ones, be they of a file or of a plugin.
func TestClusterCredentialsAreRenewed(t *testing.T) {
	var valid atomic.Value
	valid.Store("first")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	for _, user := range []string{
		"{tokenFile: %[1]q}",
		`{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/sh, args: [-c,
			'printf "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"$(cat %[1]s)\"}}"']}}`,
	} {
		token := filepath.Join(t.TempDir(), "token")
		write := func(file, text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(token, "first")
		valid.Store("first")
		file := writeKubeconfig(t, server.URL)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Without TLS no credentials are sent.
		write(file, strings.NewReplacer("{token: secret}", fmt.Sprintf(user, token), `{server: "`+server.URL, `{insecure-skip-tls-verify: true, server: "`+server.URL).Replace(string(text)))
		config, _, err := clusterFor(chaos.Kubernetes{Kubeconfig: file, Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		ask := func() int {
			t.Helper()
			response, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			return response.StatusCode
		}
		if code := ask(); code != http.StatusOK {
			t.Errorf("%s: the first token: %d", user, code)
		}
		valid.Store("second")
		write(token, "second")
		_ = ask() // a plugin is not asked before its token is refused
		if code := ask(); code != http.StatusOK {
			t.Errorf("%s: after a refusal: %d, want the new token", user, code)
		}
	}
}
