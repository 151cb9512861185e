package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
)

// A peerError is an error in Toxiproxy's words.
type peerError struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

func (e *peerError) Error() string { return e.Message }

func badBody(err error) error {
	return &peerError{"bad request body: " + err.Error(), http.StatusBadRequest}
}

var (
	errNoSuchProxy = &peerError{"proxy not found", http.StatusNotFound}
	errProxyExists = &peerError{"proxy already exists", http.StatusConflict}
	errNoSuchToxic = &peerError{"toxic not found", http.StatusNotFound}
	errToxicExists = &peerError{"toxic already exists", http.StatusConflict}
	errNoSuchType  = &peerError{"invalid toxic type", http.StatusBadRequest}
	errNoSuchWay   = &peerError{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
)

func missing(field string) error {
	return &peerError{"missing required field: " + field, http.StatusBadRequest}
}

// handler answers on the API, one request at a time.
func (p *toxiproxy) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, status int, do func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				answer(w, http.StatusBadRequest, badBody(err))
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
			p.mu.Lock()
			body, err := do(r)
			p.mu.Unlock()
			var no *peerError
			switch {
			case errors.As(err, &no):
				answer(w, no.Status, no)
			case err != nil:
				answer(w, http.StatusInternalServerError, peerError{err.Error(), http.StatusInternalServerError})
			case status == http.StatusNoContent:
				w.WriteHeader(status)
			default:
				answer(w, status, body)
			}
		})
	}
	handle("GET /version", 200, func(*http.Request) (any, error) {
		return map[string]string{"version": toxiproxyVersion}, nil
	})
	handle("POST /reset", 204, func(*http.Request) (any, error) { return nil, p.reset() })
	handle("POST /populate", 201, func(r *http.Request) (any, error) {
		made, err := p.populateLocked(r.Body)
		return map[string][]peerProxy{"proxies": made}, err
	})
	handle("GET /proxies", 200, func(*http.Request) (any, error) {
		all := map[string]peerProxy{}
		for name, d := range p.proxies {
			all[name] = d.shown()
		}
		return all, nil
	})
	handle("POST /proxies", 201, p.create)
	with := func(do func(*drivenProxy, *http.Request) (any, error)) func(*http.Request) (any, error) {
		return func(r *http.Request) (any, error) {
			d, ok := p.proxies[r.PathValue("proxy")]
			if !ok {
				return nil, errNoSuchProxy
			}
			return do(d, r)
		}
	}
	handle("GET /proxies/{proxy}", 200, with(func(d *drivenProxy, _ *http.Request) (any, error) { return d.shown(), nil }))
	handle("DELETE /proxies/{proxy}", 204, with(func(d *drivenProxy, _ *http.Request) (any, error) {
		d.stop()
		delete(p.proxies, d.Name)
		return nil, nil
	}))
	handle("GET /proxies/{proxy}/toxics", 200, with(func(d *drivenProxy, _ *http.Request) (any, error) { return d.shown().Toxics, nil }))
	handle("POST /proxies/{proxy}/toxics", 200, with((*drivenProxy).addToxic))
	toxic := func(do func(*drivenProxy, int, *http.Request) (any, error)) func(*http.Request) (any, error) {
		return with(func(d *drivenProxy, r *http.Request) (any, error) {
			i := slices.IndexFunc(d.Toxics, func(t peerToxic) bool { return t.Name == r.PathValue("toxic") })
			if i < 0 {
				return nil, errNoSuchToxic
			}
			return do(d, i, r)
		})
	}
	handle("GET /proxies/{proxy}/toxics/{toxic}", 200, toxic(func(d *drivenProxy, i int, _ *http.Request) (any, error) { return d.Toxics[i], nil }))
	handle("DELETE /proxies/{proxy}/toxics/{toxic}", 204, toxic(func(d *drivenProxy, i int, _ *http.Request) (any, error) {
		d.unapply(d.Toxics[i].Name)
		d.Toxics = slices.Delete(d.Toxics, i, i+1)
		return nil, nil
	}))
	for _, method := range []string{"POST", "PATCH"} { // clients of before 2.6 know but POST
		handle(method+" /proxies/{proxy}", 200, with((*drivenProxy).update))
		handle(method+" /proxies/{proxy}/toxics/{toxic}", 200, toxic((*drivenProxy).updateToxic))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.UserAgent(), "Mozilla/") { // any page could ask a browser to ask
			http.Error(w, "User agent not allowed", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (p *toxiproxy) create(r *http.Request) (any, error) {
	in := peerProxy{Enabled: true}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, badBody(err)
	}
	switch {
	case in.Name == "":
		return nil, missing("name")
	case in.Upstream == "":
		return nil, missing("upstream")
	case p.proxies[in.Name] != nil:
		return nil, errProxyExists
	}
	d, err := p.add(in)
	if err != nil {
		return nil, err
	}
	return d.shown(), nil
}

func (p *toxiproxy) add(in peerProxy) (*drivenProxy, error) {
	d := &drivenProxy{peerProxy: peerProxy{Name: in.Name, Listen: in.Listen, Upstream: in.Upstream}}
	if in.Enabled {
		if err := d.start(); err != nil {
			return nil, err
		}
	}
	p.proxies[d.Name] = d
	return d, nil
}

func (p *toxiproxy) populate(in io.Reader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.populateLocked(in)
	return err
}

// populateLocked makes proxies, in place of those of the same name that listen
// or go elsewhere.
func (p *toxiproxy) populateLocked(in io.Reader) ([]peerProxy, error) {
	var wanted []struct {
		peerProxy
		Enabled *bool `json:"enabled"`
	}
	if err := json.NewDecoder(in).Decode(&wanted); err != nil {
		return nil, badBody(err)
	}
	for i, w := range wanted {
		switch {
		case w.Name == "":
			return nil, missing(fmt.Sprintf("name at proxy %d", i+1))
		case w.Upstream == "":
			return nil, missing(fmt.Sprintf("upstream at proxy %d", i+1))
		}
	}
	made := []peerProxy{}
	for _, w := range wanted {
		w.peerProxy.Enabled = w.Enabled == nil || *w.Enabled
		if d := p.proxies[w.Name]; d != nil {
			if sameAddress(d.Listen, w.Listen) && d.Upstream == w.Upstream {
				made = append(made, d.shown())
				continue
			}
			d.stop()
			delete(p.proxies, w.Name)
		}
		d, err := p.add(w.peerProxy)
		if err != nil {
			return made, err
		}
		made = append(made, d.shown())
	}
	return made, nil
}

// sameAddress says whether a proxy that listens there was asked to.
func sameAddress(listens, asked string) bool {
	if listens == asked {
		return true
	}
	a, err := net.ResolveTCPAddr("tcp", asked)
	return err == nil && a.Port != 0 && a.String() == listens
}

// reset enables every proxy and takes all toxics away.
func (p *toxiproxy) reset() error {
	for _, name := range slices.Sorted(maps.Keys(p.proxies)) {
		d := p.proxies[name]
		if err := d.start(); err != nil {
			return err
		}
		for _, t := range d.Toxics {
			d.unapply(t.Name)
		}
		d.Toxics = nil
	}
	return nil
}

func (d *drivenProxy) update(r *http.Request) (any, error) {
	in := peerProxy{Listen: d.Listen, Upstream: d.Upstream, Enabled: d.Enabled}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, badBody(err)
	}
	if !sameAddress(d.Listen, in.Listen) || in.Upstream != d.Upstream {
		d.stop()
		d.Listen, d.Upstream = in.Listen, in.Upstream
	}
	if !in.Enabled {
		d.stop()
	} else if err := d.start(); err != nil {
		return nil, err
	}
	return d.shown(), nil
}

// A sentToxic is a toxic as a client sends it, all of it optional.
type sentToxic struct {
	Name       string                     `json:"name"`
	Type       string                     `json:"type"`
	Stream     string                     `json:"stream"`
	Toxicity   *float64                   `json:"toxicity"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

func (d *drivenProxy) addToxic(r *http.Request) (any, error) {
	in := sentToxic{Stream: string(downstream)}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, badBody(err)
	}
	t := peerToxic{Name: in.Name, Type: in.Type, Stream: Way(strings.ToLower(in.Stream)), Toxicity: 1}
	if in.Toxicity != nil {
		t.Toxicity = *in.Toxicity
	}
	if t.Stream != upstream && t.Stream != downstream {
		return nil, errNoSuchWay
	}
	if t.Name == "" {
		t.Name = t.Type + "_" + string(t.Stream)
	}
	if _, ok := peerAttributes[t.Type]; !ok {
		return nil, errNoSuchType
	}
	if slices.ContainsFunc(d.Toxics, func(o peerToxic) bool { return o.Name == t.Name }) {
		return nil, errToxicExists
	}
	if err := t.read(in.Attributes); err != nil {
		return nil, badBody(err)
	}
	d.Toxics = append(d.Toxics, t)
	d.apply(t)
	return t, nil
}

// updateToxic changes attributes and toxicity; the rest of a toxic stays.
func (d *drivenProxy) updateToxic(i int, r *http.Request) (any, error) {
	var in sentToxic
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, badBody(err)
	}
	t := d.Toxics[i]
	if in.Toxicity != nil {
		t.Toxicity = *in.Toxicity
	}
	if err := t.read(in.Attributes); err != nil {
		return nil, badBody(err)
	}
	d.Toxics[i] = t
	d.apply(t)
	return t, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked is gone; nobody is left to be told
}
