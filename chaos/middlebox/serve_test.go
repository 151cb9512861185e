package middlebox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

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
		"nothing":         {"", nil, "no orders"},
		"not JSON":        {"hello\n", nil, "read orders"},
		"too long":        {strings.Repeat("x", maxOrders+200<<10), nil, "too long"},
		"no such folder":  {`{"dir": "/none/such", "boxes": {"p": {"listen": "127.0.0.1:0"}}}` + "\n", nil, "no such file"},
		"no such address": {`{"dir": "` + dir + `", "boxes": {"p": {"listen": "127.0.0.1:99999"}}}` + "\n", nil, "listen for box p"},
		"brunt is gone":   {`{"dir": "` + dir + `", "boxes": {"p": {"listen": "127.0.0.1:0"}}}` + "\n", errors.New("broken pipe"), "broken pipe"},
	} {
		err := Serve(t.Context(), ServeOptions{Family: family, Listen: listenFake, Lifeline: lifeline{strings.NewReader(test.orders)}, Ready: answerTo{test.ready}})
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
	f.Add("pass 1h\nstop\n")
	f.Add("pass away\n\x00\n")
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

// Once brunt is gone without a word, the boxes end when the run would have
// ended; the word for that may come late or never, but not after brunt's end.
func TestServeUntil(t *testing.T) {
	for name, words := range map[string]string{
		"brunt is gone after the end": "pass -1s\n",
		"a later word counts":         "pass 1h\npass -1s\n",
		"nonsense is passed over":     "pass -1s\npass on\nhello\n",
		"brunt says stop":             "stop\n",
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			theirs, ours, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			answer, ready, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Close()
			ended := make(chan error, 1)
			go func() {
				ended <- Serve(t.Context(), ServeOptions{Family: family, Listen: listenFake, Lifeline: theirs, Ready: ready})
			}()
			dir := t.TempDir()
			if _, err := fmt.Fprintf(ours, `{"dir": %q, "boxes": {"p": {"listen": "127.0.0.1:0"}}}`+"\n%s", dir, words); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(answer).ReadString('\n'); err != nil || !strings.Contains(line, `"boxes":{"p"`) {
				t.Fatalf("answer %q, %v", line, err)
			}
			_ = ours.Close()
			if err := <-ended; err != nil {
				t.Errorf("serve: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
				t.Errorf("files are left: %v", left)
			}
		})
	}
}
