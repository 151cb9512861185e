package middlebox

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
)

// refusal is the body of an answer that is not 2xx.
type refusal struct {
	Error string `json:"error"`
}

const (
	instanceHeader = "Brunt-Instance"
	// maxAsked bounds a request's body.
	maxAsked = 1 << 20
)

// control answers on the control socket:
//
//	GET    /boxes/NAME                  its state
//	PUT    /boxes/NAME/owners/OWNER     set what an owner asks for, in place of what it had
//	DELETE /boxes/NAME/owners/OWNER     take it away
type control struct {
	boxes    map[string]Box
	one      string // what a box is called
	token    string
	instance string
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /boxes/{name}", c.with(func(box Box, w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, box.State())
	}))
	mux.HandleFunc("PUT /boxes/{name}/owners/{owner}", c.with(put))
	mux.HandleFunc("DELETE /boxes/{name}/owners/{owner}", c.with(func(box Box, w http.ResponseWriter, r *http.Request) {
		box.Drop(r.PathValue("owner"))
		answer(w, http.StatusOK, box.State())
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

// with finds the box that a request is about.
func (c *control) with(do func(Box, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		box, ok := c.boxes[r.PathValue("name")]
		if !ok {
			answer(w, http.StatusNotFound, refusal{"no " + c.one + " is called " + r.PathValue("name")})
			return
		}
		do(box, w, r)
	}
}

func put(box Box, w http.ResponseWriter, r *http.Request) {
	asked := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsked))
	asked.DisallowUnknownFields()
	err := box.Set(r.PathValue("owner"), asked)
	switch {
	case errors.Is(err, ErrTaken):
		answer(w, http.StatusConflict, refusal{err.Error()})
	case errors.Is(err, ErrOrphan):
		answer(w, http.StatusGone, refusal{err.Error()})
	case err != nil:
		answer(w, http.StatusBadRequest, refusal{err.Error()})
	default:
		answer(w, http.StatusOK, box.State())
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked is gone; nobody is left to be told
}
