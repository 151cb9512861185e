package http

import (
	"crypto/tls"
	"slices"
	"sync"
)

// tickets are the TLS sessions that one client may resume, by the name of the
// server. It is a tls.ClientSessionCache: a connection puts tickets in from
// whichever goroutine reads it.
type tickets struct {
	mu   sync.Mutex
	kept []ticket // the oldest first, at most maxHeld
}

type ticket struct {
	server string
	state  *tls.ClientSessionState
}

// Get is called when a handshake begins.
func (t *tickets) Get(server string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.kept {
		if k.server == server {
			return k.state, true
		}
	}
	return nil, false
}

// Put keeps the newest ticket of a server; nil takes it away.
func (t *tickets) Put(server string, state *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.kept {
		if t.kept[i].server == server {
			t.kept = slices.Delete(t.kept, i, i+1)
			break
		}
	}
	if state == nil {
		return
	}
	if len(t.kept) >= maxHeld {
		t.kept = slices.Delete(t.kept, 0, 1)
	}
	t.kept = append(t.kept, ticket{server, state})
}
