package decode

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestSignedDuration: a duration may be negative where its least value is, and
// nowhere else.
func TestSignedDuration(t *testing.T) {
	type config struct {
		Offset time.Duration `yaml:"offset" doc:"x" min:"-2h" max:"2h"`
		Wait   time.Duration `yaml:"wait" doc:"x"`
	}
	if err := Check(config{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		src  string
		want time.Duration // of offset
		bad  string        // the problem's message
	}{
		{"offset: -1h30m", -90 * time.Minute, ""},
		{"offset: 5s", 5 * time.Second, ""},
		{"offset: -2h", -2 * time.Hour, ""}, // the least itself
		{"offset: -3h", 0, "-3h is too small: the least is -2h"},
		{"offset: 3h", 0, "3h is too large: the most is 2h"},
		{"offset: --1h", 0, `expected a duration such as 300ms, got "-1h"`},
		{"wait: -1h", 0, `expected a duration such as 300ms, got "-1h"`},
	} {
		doc, problems := Parse("x.yaml", []byte(c.src))
		if problems.Err() != nil {
			t.Fatal(problems)
		}
		d := &Decoder{Doc: doc}
		var got config
		d.Decode(doc.Root(), &got)
		bad := ""
		if len(d.Problems()) > 0 {
			bad = d.Problems()[0].Message
		}
		if got.Offset != c.want || bad != c.bad {
			t.Errorf("%s: %v, %q, want %v, %q", c.src, got.Offset, bad, c.want, c.bad)
		}
	}
	properties := Schema(config{})["properties"].(map[string]any)
	for name, want := range map[string]bool{"offset": true, "wait": false} {
		text, err := json.Marshal(properties[name])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), `"^-?`); got != want {
			t.Errorf("the schema of %s is %s", name, text)
		}
	}
}
