//go:build e2e && linux

package labtest

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A lab that was killed goes on where it was: what it stored, at the same
// address, with the same credentials and the same authority.
func TestKubeE2ELabGoesOn(t *testing.T) {
	l := Start(t, "-state", filepath.Join(t.TempDir(), "state"))
	client := l.Client(t)
	code, _ := ask(t, l, client, http.MethodPost, "/api/v1/namespaces", `{"metadata":{"name":"kept"}}`)
	if code != http.StatusCreated {
		t.Fatalf("make a namespace: %d", code)
	}
	before := l.Server
	l.Kill(t)
	if _, err := client.Get(before); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a lab that was killed: %v", err)
	}
	l.Again(t)
	if l.Server != before {
		t.Errorf("it is at %s, and was at %s", l.Server, before)
	}
	if code, _ := ask(t, l, client, http.MethodGet, "/api/v1/namespaces/kept", ""); code != http.StatusOK {
		t.Errorf("what was stored before: %d", code)
	}
}

// The API server can be told to fail, for a time or until it is told otherwise,
// for those who come with the kubeconfig.
func TestKubeE2ELabOutage(t *testing.T) {
	l := Start(t)
	client := l.Client(t)
	l.Do(t, "/outage", "of", "clients", "how", "throttle", "on", "true")
	code, header := ask(t, l, client, http.MethodGet, "/version", "")
	if code != http.StatusTooManyRequests || header.Get("Retry-After") != "1" {
		t.Errorf("throttling: %d, retry after %q", code, header.Get("Retry-After"))
	}
	l.Do(t, "/outage", "of", "clients", "how", "fail", "on", "true")
	if code, _ := ask(t, l, client, http.MethodGet, "/version", ""); code != http.StatusServiceUnavailable {
		t.Errorf("failing: %d", code)
	}
	l.Do(t, "/outage", "of", "api", "for", "1s")
	if _, err := client.Get(l.Server + "/version"); err == nil {
		t.Error("gone, and it answers")
	}
	for deadline := time.Now().Add(bound); ; time.Sleep(20 * time.Millisecond) { // nothing tells of it
		if answer, err := client.Get(l.Server + "/version"); err == nil {
			answer.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it never came back")
		}
	}
}

func ask(t *testing.T, l *Lab, client *http.Client, method, path, body string) (int, http.Header) {
	t.Helper()
	request, err := http.NewRequest(method, l.Server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+l.Tokens["admin"])
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header
}
