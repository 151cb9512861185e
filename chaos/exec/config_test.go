package exec

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/chaos"
)

func TestValidate(t *testing.T) {
	good := Config{Inject: []string{"a"}, Undo: []string{"b"}, Verify: []string{"c"}}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // fields complained about
	}{
		"good":                    {func(*Config) {}, ""},
		"nothing":                 {func(c *Config) { *c = Config{} }, "inject undo verify"},
		"no undo":                 {func(c *Config) { c.Undo = nil }, "undo"},
		"no undo, and none due":   {func(c *Config) { c.Undo, c.OneShot = nil, true }, ""},
		"an undo of a one-shot":   {func(c *Config) { c.OneShot = true }, "undo"},
		"no verify":               {func(c *Config) { c.Verify = nil }, "verify"},
		"a program without name":  {func(c *Config) { c.Verify = []string{""} }, "verify"},
		"a zero byte":             {func(c *Config) { c.Undo = []string{"a", "b\x00"} }, "undo"},
		"a script without shell":  {func(c *Config) { c.Inject = []string{"a | b"} }, "inject"},
		"too long":                {func(c *Config) { c.Timeout = time.Hour }, "timeout"},
		"a value, not a name":     {func(c *Config) { c.Env = []string{"TOKEN=abc"} }, "env"},
		"a reference, not a name": {func(c *Config) { c.Env = []string{"$TOKEN"} }, "env"},
	} {
		config := good
		test.change(&config)
		var fields []string
		config.Validate(func(field, message, _ string) {
			fields = append(fields, field)
			if strings.Contains(message, "abc") {
				t.Errorf("%s: the value is in %q", name, message)
			}
		})
		if got := strings.Join(fields, " "); got != test.want {
			t.Errorf("%s: problems with %q, want %q", name, got, test.want)
		}
		if _, err := New(config, chaos.Env{}); (err != nil) != (test.want != "") {
			t.Errorf("%s: New: %v", name, err)
		}
	}
}

func TestWhat(t *testing.T) {
	for want, config := range map[string]Config{
		"run flagctl set slow on": {Inject: []string{"flagctl", "set", "slow", "on"}},
		"nothing":                 {},
	} {
		if got := What(config); got != want {
			t.Errorf("What = %q, want %q", got, want)
		}
	}
	if got := What(Config{Inject: []string{"sh", "-c", strings.Repeat("é\n", 500)}}); utf8.RuneCountInString(got) > 100 || !strings.HasSuffix(got, "…") {
		t.Errorf("What of a long script = %q", got)
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("x", keptOutput)
	for name, test := range map[string]struct {
		writes []string
		hide   secrets
		want   string
	}{
		"nothing":                    {nil, nil, ""},
		"lines":                      {[]string{"a\nb", "\r\n c\x1b[31m"}, nil, "a b c [31m"},
		"secrets":                    {[]string{"a sec", "ret b"}, secrets{"secret", "${S}"}, "a ${S} b"},
		"exactly as much":            {[]string{long}, nil, long},
		"too much at once":           {[]string{"a" + long}, nil, "…" + long},
		"too much in pieces":         {[]string{"a", long[1:], "b"}, nil, "…" + long[1:] + "b"},
		"cut in a character":         {[]string{"é" + long[1:]}, nil, "…" + long[1:]},
		"cut in a secret":            {[]string{"secret" + long[3:]}, secrets{"secret", "${S}"}, "…" + long[5:]},
		"what is not text":           {[]string{"a\xff"}, nil, "a�"},
		"a secret at the very start": {[]string{"secret"}, secrets{"secret", "${S}"}, "${S}"},
	} {
		var out tail
		for _, w := range test.writes {
			if n, err := out.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: wrote %d, %v", name, n, err)
			}
		}
		if got := out.text(test.hide); got != test.want {
			t.Errorf("%s: %.80q (%d), want %.80q (%d)", name, got, len(got), test.want, len(test.want))
		}
	}
}
