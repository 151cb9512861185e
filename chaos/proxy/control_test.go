package proxy

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

func testBox(t testing.TB) box {
	t.Helper()
	s, err := listen("p", middlebox.Endpoint{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return box{s}
}

func (b box) setText(owner, text string) error {
	asked := json.NewDecoder(strings.NewReader(text))
	asked.DisallowUnknownFields()
	return b.Set(owner, asked)
}

func TestSet(t *testing.T) {
	b := testBox(t)
	const good = `{"ttl_ns": 60000000000, "toxics": [{"type": "blackhole", "way": "upstream", "share": 1, "seed": 1}]}`
	for _, test := range []struct {
		owner, asked string
		want         string // part of the error
		toxics       int    // set after it
	}{
		{"a", "{", "read toxics", 0},
		{"a", `{"toxic": []}`, "unknown field", 0},
		{"a", `{"toxics": []}`, "at least one", 0},
		{"a", strings.Replace(good, "60000000000", "0", 1), "ttl", 0}, // would never end
		{"a", strings.Replace(good, "upstream", "up", 1), "no direction", 0},
		{"a", good, "", 1},
		{"a", good, "", 1}, // once more changes nothing
		{"b", good, "blackhole_upstream is set: another fault has it (a)", 1},
	} {
		err := b.setText(test.owner, test.asked)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s asks %s: %v, want %q", test.owner, test.asked, err, test.want)
		}
		if n := len(b.toxics()); n != test.toxics {
			t.Errorf("%s asks %s: %d toxics after it, want %d", test.owner, test.asked, n, test.toxics)
		}
	}
	b.Drop("b")
	if n := len(b.toxics()); n != 1 {
		t.Errorf("another owner's drop left %d toxics", n)
	}
	b.Abandon()
	if n := len(b.toxics()); n != 0 {
		t.Errorf("an orphan has %d toxics", n)
	}
	if err := b.setText("a", good); !errors.Is(err, middlebox.ErrOrphan) {
		t.Errorf("set on an orphan: %v", err)
	}
}

// Whatever is sent, what is then set can be taken away again.
func FuzzInjection(f *testing.F) {
	f.Add(`{"ttl_ns": 1000, "toxics": [{"type": "latency", "way": "upstream", "delay_ns": 5, "share": 0.5}]}`)
	f.Add(`{"ttl_ns": 9223372036854775807, "toxics": [{"type": "reset", "share": 1}, {"type": "reset", "share": 1}]}`)
	f.Add(`[]`)
	b := testBox(f)
	f.Fuzz(func(t *testing.T, text string) {
		_ = b.setText("fuzz", text)
		b.Drop("fuzz")
		if set := b.toxics(); len(set) != 0 {
			t.Errorf("left after the drop: %v", set)
		}
	})
}
