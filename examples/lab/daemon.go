package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// daemons answers for Chaos Mesh's daemon: it keeps what was asked of it, and
// fails what it is told to fail.
type daemons struct {
	mu    sync.Mutex
	calls []call
	fail  map[string]string // method, or * for all → error
}

// call is one thing that the controller asked the daemon to do.
type call struct {
	At     time.Time       `json:"at"`
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body"`
	Error  string          `json:"error,omitempty"`
}

// maxCalls bounds what is remembered; the oldest go first.
const maxCalls = 1000

// asked takes a call; an answer other than 200 makes it fail.
func (d *daemons) asked(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(body) == 0 || !json.Valid(body) {
		body = []byte("null")
	}
	method := r.PathValue("method")
	if rest := r.PathValue("rest"); rest != "" { // chaosd's, see controls
		method = r.Method + " " + rest
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := call{At: time.Now(), Method: method, Body: body, Error: d.fail[method]}
	if c.Error == "" {
		c.Error = d.fail["*"]
	}
	d.calls = append(d.calls, c)
	if len(d.calls) > maxCalls {
		d.calls = d.calls[len(d.calls)-maxCalls:]
	}
	if c.Error != "" {
		http.Error(w, c.Error, http.StatusInternalServerError)
	}
}

// list answers with the calls, oldest first.
func (d *daemons) list(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d.calls) // the reader is gone
}

// setFail makes calls of a method (* for all) fail with an error, or succeed
// again without one.
func (d *daemons) setFail(w http.ResponseWriter, r *http.Request) {
	method := r.URL.Query().Get("method")
	if method == "" {
		http.Error(w, "method= names the daemon's method, such as SetTcs, or * for all", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := r.URL.Query().Get("error"); e != "" {
		d.fail[method] = e
	} else {
		delete(d.fail, method)
	}
	fmt.Fprintln(w, "ok")
}
