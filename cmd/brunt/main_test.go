package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"brunt": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The scripts in testdata/script are every command as a user types it. $URL
// is a small server on loopback: /ok, /slow (50 ms), /broken (503), /json.
func TestScripts(t *testing.T) {
	server := httptest.NewServer(target())
	t.Cleanup(server.Close)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("URL", server.URL)
			env.Setenv("HOST", server.Listener.Addr().String())
			env.Setenv("EXAMPLES", examples)
			return nil
		},
	})
}

func target() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { answer(w, "ok") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		answer(w, "slow")
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusServiceUnavailable) })
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) { answer(w, `{"items":[{"sku":"a1"}]}`) })
	return mux
}

func answer(w http.ResponseWriter, text string) {
	if _, err := w.Write([]byte(text)); err != nil {
		return // the client went away
	}
}
