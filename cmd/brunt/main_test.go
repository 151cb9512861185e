package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"brunt": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The scripts in testdata/script are every command as a user types it. $URL
// is a small server on loopback: /ok, /slow (300 ms), /broken (503), /json.
// $DNS is a DNS server that knows an address for every name, and $RESOLVER is
// where a resolver can listen.
func TestScripts(t *testing.T) {
	server := httptest.NewServer(target())
	t.Cleanup(server.Close)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	dns, resolver := nameServer(t), freeForDNS(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand":        expandFile,
			"vegetaresults": vegetaResults,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("URL", server.URL)
			env.Setenv("HOST", server.Listener.Addr().String())
			env.Setenv("DNS", dns)
			env.Setenv("RESOLVER", resolver)
			env.Setenv("EXAMPLES", examples)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".state"))
			return nil
		},
	})
}

// expandFile copies a file with the script's variables put in: expand FROM TO.
func expandFile(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// vegetaResults reads a file with vegeta's library and counts the results:
// vegetaresults FILE COUNT.
func vegetaResults(ts *testscript.TestScript, _ bool, args []string) {
	file, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer file.Close()
	decode := vegeta.NewDecoder(file)
	n := 0
	for {
		var r vegeta.Result
		if err := decode.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			ts.Fatalf("read result %d: %v", n, err)
		}
		if r.Code != 200 || r.Latency <= 0 {
			ts.Fatalf("result %d: %+v", n, r)
		}
		n++
	}
	if want := args[1]; want != strconv.Itoa(n) {
		ts.Fatalf("%d results, want %s", n, want)
	}
}

func target() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { answer(w, "ok") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
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
