package serve

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ServeHTTP is the front door: /NAMESPACE/SERVICE/… goes to the ready pods of
// that Service in turn. The answer names the pod.
//
//	404  there is no such Service
//	503  no pod of it is ready, or the pod's queue is full
//	502  the EndpointSlice leads to a pod that is gone
//
// A request whose pod is killed ends without an answer.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	namespace, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, _, _ := strings.Cut(rest, "/")
	t.serve(w, r, Key{namespace, name})
}

func (t *Table) serve(w http.ResponseWriter, r *http.Request, service Key) {
	p, name, known := t.pick(service)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case !known:
		http.Error(w, fmt.Sprintf("no Service %s with endpoints; the path is /NAMESPACE/SERVICE/…", service), http.StatusNotFound)
		return
	case name == "":
		http.Error(w, "no pod is ready", http.StatusServiceUnavailable)
		return
	case p == nil:
		http.Error(w, "pod "+name+" is gone", http.StatusBadGateway)
		return
	case p.invalid != nil:
		http.Error(w, "pod "+name+": "+p.invalid.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Pod", name)
	switch err := p.do(r.Context()); {
	case err == nil:
		fmt.Fprintln(w, "served by", name)
	case errors.Is(err, errFull):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		panic(http.ErrAbortHandler) // the connection ends as a dead process's would
	}
}
