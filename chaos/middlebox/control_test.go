package middlebox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

var family = Family{Command: "box", One: "box", Many: "boxes"}

// A fake is a middlebox that passes nothing on: it only holds words, by owner.
type fake struct {
	listener net.Listener
	closed   chan struct{}
	once     sync.Once

	mu     sync.Mutex
	Words  map[string]string
	orphan bool
}

func listenFake(_ context.Context, name string, e Endpoint) (Box, error) {
	listener, err := net.Listen("tcp", e.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for box %s: %w", name, err)
	}
	return &fake{listener: listener, closed: make(chan struct{}), Words: map[string]string{}}, nil
}

func (f *fake) Address() string       { return f.listener.Addr().String() }
func (f *fake) Serve(context.Context) { <-f.closed }
func (f *fake) Close()                { f.once.Do(func() { _ = f.listener.Close(); close(f.closed) }) }

func (f *fake) Abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orphan = true
	clear(f.Words)
}

func (f *fake) State() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	words := map[string]string{}
	for owner, word := range f.Words {
		words[owner] = word
	}
	return words
}

func (f *fake) Set(owner string, asked *json.Decoder) error {
	var in struct{ Word string }
	if err := asked.Decode(&in); err != nil {
		return fmt.Errorf("read word: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, word := range f.Words {
		if other != owner && word == in.Word {
			return fmt.Errorf("%s: %w (%s)", word, ErrTaken, other)
		}
	}
	if f.orphan {
		return ErrOrphan
	}
	f.Words[owner] = in.Word
	return nil
}

func (f *fake) Drop(owner string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.Words, owner)
}

func newFake(t *testing.T) *fake {
	t.Helper()
	box, err := listenFake(t.Context(), "p", Endpoint{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	return box.(*fake)
}

func TestControl(t *testing.T) {
	box := newFake(t)
	handler := (&control{boxes: map[string]Box{"p": box}, one: "box", token: "secret", instance: "i"}).handler()
	const good = `{"Word": "late"}`
	for _, test := range []struct {
		method, path, token, body string
		status                    int
		want                      string // part of the body
		set                       int    // owners that have something set after it
	}{
		{"GET", "/boxes/p", "secret", "", 200, `{}`, 0},
		{"GET", "/boxes/p", "", "", 401, "token", 0},
		{"PUT", "/boxes/p/owners/a", "secret2", good, 401, "token", 0},
		{"GET", "/boxes/q", "secret", "", 404, "no box is called q", 0},
		{"GET", "/", "secret", "", 404, "", 0},
		{"POST", "/boxes/p", "secret", "", 405, "", 0},
		{"PUT", "/boxes/p/owners/a", "secret", "{", 400, "read word", 0},
		{"PUT", "/boxes/p/owners/a", "secret", `{"Wort": "late"}`, 400, "unknown field", 0},
		{"PUT", "/boxes/p/owners/a", "secret", strings.Repeat(" ", maxAsked) + good, 400, "too large", 0},
		{"PUT", "/boxes/p/owners/a", "secret", good, 200, `"a":"late"`, 1},
		{"PUT", "/boxes/p/owners/a", "secret", good, 200, `"a":"late"`, 1}, // once more changes nothing
		{"PUT", "/boxes/p/owners/b", "secret", good, 409, "another fault has it (a)", 1},
		{"DELETE", "/boxes/p/owners/b", "secret", "", 200, `"a":"late"`, 1},
		{"DELETE", "/boxes/p/owners/a", "secret", "", 200, `{}`, 0},
		{"DELETE", "/boxes/p/owners/a", "secret", "", 200, "", 0},
	} {
		request := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		request.Header.Set("Authorization", "Bearer "+test.token)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, answer.Code, answer.Body, test.status, test.want)
		}
		if answer.Header().Get(instanceHeader) != "i" {
			t.Errorf("%s %s: no instance in the answer", test.method, test.path)
		}
		if n := len(box.Words); n != test.set {
			t.Errorf("%s %s: %d set after it, want %d", test.method, test.path, n, test.set)
		}
	}
}

// A client tells a process that is gone, or another in its place, from one that
// says no.
func TestClient(t *testing.T) {
	box := newFake(t)
	server := httptest.NewServer((&control{boxes: map[string]Box{"p": box}, one: "box", token: "secret", instance: "i"}).handler())
	c := Client[map[string]string]{Family: family, Control: Control{Name: "p", Address: strings.TrimPrefix(server.URL, "http://"), Token: "secret", Instance: "i"}}
	if state, err := c.Set(t.Context(), "a", map[string]string{"Word": "late"}); err != nil || state["a"] != "late" {
		t.Errorf("set: %v, %v", state, err)
	}
	if _, err := c.Set(t.Context(), "b", map[string]string{"Word": "late"}); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), "ask box p") {
		t.Errorf("set what another has: %v", err)
	}
	if state, err := c.State(t.Context()); err != nil || len(state) != 1 {
		t.Errorf("state: %v, %v", state, err)
	}
	if state, err := c.Drop(t.Context(), "a"); err != nil || len(state) != 0 {
		t.Errorf("drop: %v, %v", state, err)
	}
	box.Abandon()
	var no *RefusedError
	if _, err := c.Set(t.Context(), "a", map[string]string{"Word": "late"}); !errors.As(err, &no) || no.Status != http.StatusGone || errors.Is(err, ErrTaken) {
		t.Errorf("set on an orphan: %v", err)
	}
	other := c
	other.Control.Instance = "j"
	if _, err := other.State(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("another process in its place: %v", err)
	}
	server.Close()
	if _, err := c.State(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("nobody there: %v", err)
	}
}
