package proxy

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Endpoint is where a proxy listens and where it passes connections on to,
// both as host:port. Listening on port 0 takes a free one.
type Endpoint struct {
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
}

// Control is what a proxy's control file holds: how to reach its control
// socket. The file is readable by its owner only, for the token's sake.
type Control struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Address  string `json:"control"` // host:port of the control socket, on loopback
	Token    string `json:"token"`
	Instance string `json:"instance"` // of the proxy process; ports are used again, this is not
	Pid      int    `json:"pid"`
}

// State is what a proxy says of itself.
type State struct {
	Name        string        `json:"name"`
	Listen      string        `json:"listen"`
	Upstream    string        `json:"upstream"`
	Connections int           `json:"connections"`
	Orphan      bool          `json:"orphan,omitempty"` // its brunt is gone; it passes traffic through untouched
	Toxics      []ActiveToxic `json:"toxics"`
}

// ActiveToxic is a toxic that is set.
type ActiveToxic struct {
	Toxic
	Name      string        `json:"name"`
	Owner     string        `json:"owner"` // the receipt's ID
	ExpiresIn time.Duration `json:"expires_in_ns"`
	Counters  Counters      `json:"counters"`
}

// injection is the body of a request to set toxics.
type injection struct {
	Toxics []Toxic       `json:"toxics"`
	TTL    time.Duration `json:"ttl_ns"`
}

// refusal is the body of an answer that is not 2xx.
type refusal struct {
	Error string `json:"error"`
}

const (
	instanceHeader = "Brunt-Proxy-Instance"
	// maxInjection bounds a request's body.
	maxInjection = 1 << 20
)

// control answers on the control socket:
//
//	GET    /proxies/NAME                  its State
//	PUT    /proxies/NAME/owners/OWNER     set an owner's toxics, in place of those it had
//	DELETE /proxies/NAME/owners/OWNER     take them away
type control struct {
	servers  map[string]*server
	token    string
	instance string
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /proxies/{name}", c.with(func(s *server, w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.state())
	}))
	mux.HandleFunc("PUT /proxies/{name}/owners/{owner}", c.with(c.put))
	mux.HandleFunc("DELETE /proxies/{name}/owners/{owner}", c.with(func(s *server, w http.ResponseWriter, r *http.Request) {
		owner := r.PathValue("owner")
		s.drop(func(a *active) bool { return a.owner == owner })
		answer(w, http.StatusOK, s.state())
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(instanceHeader, c.instance)
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.token)) != 1 {
			answer(w, http.StatusUnauthorized, refusal{"the token is wrong"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// with finds the proxy that a request is about.
func (c *control) with(do func(*server, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := c.servers[r.PathValue("name")]
		if !ok {
			answer(w, http.StatusNotFound, refusal{"no proxy is called " + r.PathValue("name")})
			return
		}
		do(s, w, r)
	}
}

func (c *control) put(s *server, w http.ResponseWriter, r *http.Request) {
	var in injection
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInjection))
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, refusal{"read toxics: " + err.Error()})
		return
	}
	if len(in.Toxics) == 0 || in.TTL <= 0 {
		answer(w, http.StatusBadRequest, refusal{"at least one toxic and a ttl above 0 are needed"})
		return
	}
	err := s.inject(r.PathValue("owner"), in.Toxics, in.TTL)
	switch {
	case errors.Is(err, errTaken):
		answer(w, http.StatusConflict, refusal{err.Error()})
	case errors.Is(err, errOrphan):
		answer(w, http.StatusGone, refusal{err.Error()})
	case err != nil:
		answer(w, http.StatusBadRequest, refusal{err.Error()})
	default:
		answer(w, http.StatusOK, s.state())
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked is gone; nobody is left to be told
}
