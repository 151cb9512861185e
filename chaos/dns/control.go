package dns

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// A control file and a State say where a resolver is and what is set on it.

// Endpoint is where a resolver listens, as IP:port on both UDP and TCP, and
// the resolver it forwards to, as host:port. Listening on port 0 takes a free
// one.
type Endpoint struct {
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
}

// Control is what a resolver's control file holds: how to reach its control
// socket. The file is readable by its owner only, for the token's sake.
type Control struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Address  string `json:"control"` // host:port of the control socket, on loopback
	Token    string `json:"token"`
	Instance string `json:"instance"` // of the process; ports are used again, this is not
	Pid      int    `json:"pid"`
}

// State is what a resolver says of itself.
type State struct {
	Name      string       `json:"name"`
	Listen    string       `json:"listen"`
	Upstream  string       `json:"upstream"`
	Orphan    bool         `json:"orphan,omitempty"` // its brunt is gone; it forwards untouched
	Forwarded int64        `json:"forwarded"`        // queries that the upstream answered
	Lost      int64        `json:"lost"`             // queries that there was no room for
	Rules     []ActiveRule `json:"rules"`
}

// ActiveRule is a rule that is set.
type ActiveRule struct {
	Rule
	Owner     string        `json:"owner"` // the receipt's ID
	ExpiresIn time.Duration `json:"expires_in_ns"`
	Counters  Counters      `json:"counters"`
}

// injection is the body of a request to set a rule.
type injection struct {
	Rule Rule          `json:"rule"`
	TTL  time.Duration `json:"ttl_ns"`
}

// refusal is the body of an answer that is not 2xx.
type refusal struct {
	Error string `json:"error"`
}

const (
	instanceHeader = "Brunt-Resolver-Instance"
	// maxInjection bounds a request's body.
	maxInjection = 1 << 20
)

// control answers on the control socket:
//
//	GET    /resolvers/NAME                  its State
//	PUT    /resolvers/NAME/owners/OWNER     set an owner's rule, in place of the one it had
//	DELETE /resolvers/NAME/owners/OWNER     take it away
type control struct {
	servers  map[string]*server
	token    string
	instance string
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /resolvers/{name}", c.with(func(s *server, w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.state())
	}))
	mux.HandleFunc("PUT /resolvers/{name}/owners/{owner}", c.with(put))
	mux.HandleFunc("DELETE /resolvers/{name}/owners/{owner}", c.with(func(s *server, w http.ResponseWriter, r *http.Request) {
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

// with finds the resolver that a request is about.
func (c *control) with(do func(*server, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := c.servers[r.PathValue("name")]
		if !ok {
			answer(w, http.StatusNotFound, refusal{"no resolver is called " + r.PathValue("name")})
			return
		}
		do(s, w, r)
	}
}

func put(s *server, w http.ResponseWriter, r *http.Request) {
	var in injection
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInjection))
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, refusal{"read rule: " + err.Error()})
		return
	}
	if in.TTL <= 0 {
		answer(w, http.StatusBadRequest, refusal{"a ttl above 0 is needed"})
		return
	}
	err := s.inject(r.PathValue("owner"), in.Rule, in.TTL)
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
