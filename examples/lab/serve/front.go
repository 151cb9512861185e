package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// A pin keeps one client connection's requests to each Service with the pod that
// served the first, as a proxy that balances connections does.
type pin struct {
	mu  sync.Mutex
	pod map[Key]Key
}

type pinKey struct{}

// Pin is an http.Server's ConnContext: with it, a connection stays with one pod
// of a Service for as long as that is ready. Without, requests are spread one by
// one.
func Pin(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, pinKey{}, &pin{pod: map[Key]Key{}})
}

// pinOf is the pin of a request's connection; nil for one that has none.
func pinOf(ctx context.Context) *pin {
	p, _ := ctx.Value(pinKey{}).(*pin)
	return p
}

// choose keeps to the pod chosen before while it is one of the backends, and
// remembers the next one otherwise.
func (p *pin) choose(service Key, backends []Key, next func() Key) Key {
	if p == nil {
		return next()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	chosen, ok := p.pod[service]
	if !ok || !slices.Contains(backends, chosen) {
		chosen = next()
		p.pod[service] = chosen
	}
	return chosen
}

func (t *Table) serve(w http.ResponseWriter, r *http.Request, service Key) {
	p, name, known := t.pick(service, pinOf(r.Context()))
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
