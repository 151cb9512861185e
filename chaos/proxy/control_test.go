package proxy

import (
	"bufio"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testControl(t testing.TB) (*server, http.Handler) {
	t.Helper()
	s, err := listen("p", Endpoint{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, (&control{servers: map[string]*server{"p": s}, token: "secret", instance: "i"}).handler()
}

func ask(handler http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestControl(t *testing.T) {
	s, handler := testControl(t)
	const good = `{"ttl_ns": 60000000000, "toxics": [{"type": "blackhole", "way": "upstream", "share": 1, "seed": 1}]}`
	for _, test := range []struct {
		method, path, token, body string
		status                    int
		want                      string // part of the body
		toxics                    int    // set after it
	}{
		{"GET", "/proxies/p", "secret", "", 200, `"name":"p"`, 0},
		{"GET", "/proxies/p", "", "", 401, "token", 0},
		{"PUT", "/proxies/p/owners/a", "secret2", good, 401, "token", 0},
		{"GET", "/proxies/q", "secret", "", 404, "no proxy is called q", 0},
		{"GET", "/", "secret", "", 404, "", 0},
		{"POST", "/proxies/p", "secret", "", 405, "", 0},
		{"PUT", "/proxies/p/owners/a", "secret", "{", 400, "read toxics", 0},
		{"PUT", "/proxies/p/owners/a", "secret", `{"toxic": []}`, 400, "unknown field", 0},
		{"PUT", "/proxies/p/owners/a", "secret", strings.Repeat(" ", maxInjection) + good, 400, "too large", 0},
		{"PUT", "/proxies/p/owners/a", "secret", `{"toxics": []}`, 400, "at least one", 0},
		{"PUT", "/proxies/p/owners/a", "secret", strings.Replace(good, "60000000000", "0", 1), 400, "ttl", 0}, // would never end
		{"PUT", "/proxies/p/owners/a", "secret", strings.Replace(good, "upstream", "up", 1), 400, "no direction", 0},
		{"PUT", "/proxies/p/owners/a", "secret", good, 200, `"owner":"a"`, 1},
		{"PUT", "/proxies/p/owners/a", "secret", good, 200, `"owner":"a"`, 1}, // once more changes nothing
		{"PUT", "/proxies/p/owners/b", "secret", good, 409, "set by another fault (a)", 1},
		{"DELETE", "/proxies/p/owners/b", "secret", "", 200, `"owner":"a"`, 1},
		{"DELETE", "/proxies/p/owners/a", "secret", "", 200, `"toxics":null`, 0},
		{"DELETE", "/proxies/p/owners/a", "secret", "", 200, "", 0},
	} {
		answer := ask(handler, test.method, test.path, test.token, test.body)
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, answer.Code, answer.Body, test.status, test.want)
		}
		if answer.Header().Get(instanceHeader) != "i" {
			t.Errorf("%s %s: no instance in the answer", test.method, test.path)
		}
		if n := len(s.toxics()); n != test.toxics {
			t.Errorf("%s %s: %d toxics after it, want %d", test.method, test.path, n, test.toxics)
		}
	}
	s.abandon()
	if answer := ask(handler, "PUT", "/proxies/p/owners/a", "secret", good); answer.Code != http.StatusGone {
		t.Errorf("an abandoned proxy answers %d", answer.Code)
	}
}

// Whatever is sent, what is then set can be taken away again.
func FuzzInjection(f *testing.F) {
	f.Add(`{"ttl_ns": 1000, "toxics": [{"type": "latency", "way": "upstream", "delay_ns": 5, "share": 0.5}]}`)
	f.Add(`{"ttl_ns": 9223372036854775807, "toxics": [{"type": "reset", "share": 1}, {"type": "reset", "share": 1}]}`)
	f.Add(`[]`)
	s, handler := testControl(f)
	f.Fuzz(func(t *testing.T, body string) {
		ask(handler, "PUT", "/proxies/p/owners/fuzz", "secret", body)
		ask(handler, "DELETE", "/proxies/p/owners/fuzz", "secret", "")
		if set := s.toxics(); len(set) != 0 {
			t.Errorf("left after the deletion: %v", set)
		}
	})
}

// A buffer that Serve reads orders from and nobody else holds.
type lifeline struct{ *strings.Reader }

func (lifeline) Close() error { return nil }

// Orders that make no sense, and a brunt that is gone before it heard the
// answer: nothing is left behind.
func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		orders string
		ready  error // of writing the answer
		want   string
	}{
		"nothing":         {"", nil, "read orders"},
		"not JSON":        {"hello\n", nil, "read orders"},
		"too long":        {strings.Repeat("x", maxOrders+200<<10), nil, "too long"},
		"no such folder":  {`{"dir": "/none/such", "proxies": {"p": {"listen": "127.0.0.1:0"}}}` + "\n", nil, "no such file"},
		"no such address": {`{"dir": "` + dir + `", "proxies": {"p": {"listen": "127.0.0.1:99999"}}}` + "\n", nil, "listen for proxy p"},
		"brunt is gone":   {`{"dir": "` + dir + `", "proxies": {"p": {"listen": "127.0.0.1:0"}}}` + "\n", errors.New("broken pipe"), "broken pipe"},
	} {
		err := Serve(t.Context(), ServeOptions{Lifeline: lifeline{strings.NewReader(test.orders)}, Ready: answerTo{test.ready}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

type answerTo struct{ err error }

func (a answerTo) Write(p []byte) (int, error) { return len(p), a.err }

func FuzzLifeline(f *testing.F) {
	f.Add("until 2026-11-22T07:00:00Z\nstop\n")
	f.Add("until yesterday\n\x00\n")
	f.Add("stop")
	f.Fuzz(func(t *testing.T, text string) {
		last := word{}
		for w := range follow(bufio.NewReader(strings.NewReader(text))) {
			if last.stop || last.gone {
				t.Fatal("a word after the last")
			}
			last = w
		}
		if !last.stop && !last.gone {
			t.Error("the end was not told")
		}
	})
}

func TestReadControl(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.json")
	if _, err := ReadControl(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	want := Control{Name: "p", Listen: "127.0.0.1:1", Address: "127.0.0.1:2", Token: "t", Instance: "i", Pid: 3}
	if err := writeControl(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadControl(path); got != want || err != nil {
		t.Errorf("read %+v, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: the file holds a key", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadControl(path); err == nil {
		t.Error("a torn file: no error")
	}
}
