package decode

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decodeText decodes a scenario that must have no problems.
func decodeText(t *testing.T, text string, into any) {
	t.Helper()
	doc, problems := Parse("test.yaml", []byte(text))
	d := newDecoder(doc)
	if len(problems) == 0 {
		d.Decode(doc.Root(), into)
	}
	if problems = append(problems, d.Problems()...); len(problems) > 0 {
		t.Fatalf("%s\n%v", text, problems)
	}
}

func TestDefaults(t *testing.T) {
	var got scenario
	decodeText(t, "version: 1\nloads: { a: { http: { base: x } }, b: { http: { base: y, connections: { max: 5 }, retry: 3 } } }", &got)
	want := scenario{
		Version: 1, Name: "unnamed", Reports: []string{"json", "html"}, Common: Common{Seed: 1},
		Loads: map[string]*load{
			"a": {HTTP: &httpConfig{Base: "x", Protocol: "auto", Timeout: 10 * time.Second, Connections: connections{Max: 100},
				Status: []int{200, 204}, MaxBody: 1 << 20, Weight: 1}},
			"b": {HTTP: &httpConfig{Base: "y", Protocol: "auto", Timeout: 10 * time.Second, Connections: connections{Max: 5},
				Status: []int{200, 204}, MaxBody: 1 << 20, Weight: 1, Retry: &retry{Times: 3, Wait: time.Second}}},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(httpConfig{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	var got scenario
	decodeText(t, `
version: 1
name: 010            # text stays as written
seed: 18446744073709551615
report: html         # a list of one
vars: { int: 7, float: 2.5, exp: 1e3, text: yes, quoted: "7", none: ~, zero: 010, list: [1, { a: b }], big: 99999999999999999999, on: true, plain: "${n}", var: $, sha: 1e999 }
loads:
  on:
    body: { user: "${users.id}", host: "${host}", deep: ["${rand(1,40)}"] }
    when: a < b
    http:
      base: http://${host}:80/
      timeout: ${t}
      headers: { X-N: 5, X-T: "${users.token}", X-Yes: yes, X-Null: }
      redirects: "${n}"
      cookies: "${yes}"
      status: 200
      max_body: 1.5KiB
      loss: 0.1%
      rate: 30k/min
      bandwidth: 1MiB/s
      weight: 1e-3
      retry: { wait: 1m }
phases:
  - { name: 1e3, for: 90s, load: { on: 0/s -> 500/s } }
`, &got)
	want := scenario{
		Version: 1, Name: "010", Reports: []string{"html"}, Common: Common{Seed: 1<<64 - 1},
		Vars: map[string]any{"int": int64(7), "float": 2.5, "exp": 1000.0, "text": "yes", "quoted": "7", "none": nil, "zero": "010",
			"list": []any{int64(1), map[string]any{"a": "b"}}, "big": "99999999999999999999", "on": true, "plain": "5", "var": "$", "sha": "1e999"},
		Loads: map[string]*load{"on": {
			Body: map[string]any{"user": "${users.id}", "host": "shop", "deep": []any{"${rand(1,40)}"}},
			When: condition{"a", "b"},
			HTTP: &httpConfig{Base: "http://shop:80/", Protocol: "auto", Timeout: 2 * time.Second, Connections: connections{Max: 100},
				Headers: map[string]string{"X-N": "5", "X-T": "${users.token}", "X-Yes": "yes", "X-Null": ""}, Redirects: 5, Cookies: true,
				Status: []int{200}, MaxBody: 1536, Loss: 0.001, Rate: 500, Bandwidth: 1 << 20, Weight: 0.001,
				Retry: &retry{Times: 1, Wait: time.Minute}},
		}},
		Phases: []phase{{Name: "1e3", For: 90 * time.Second, Load: map[string]string{"on": "0/s -> 500/s"}}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(httpConfig{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Parts of YAML that the library reads in its own way, and what we make of them.
func TestYAML(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      any
	}{
		{"host:port in brackets in braces is text", `a: { b: [kafka:9092, http://x:80/y, "c:1"] }`, m("a", m("b", l("kafka:9092", "http://x:80/y", "c:1")))},
		{"a pair in brackets is a map", `a: [b: 1, c]`, m("a", l(m("b", int64(1)), "c"))},
		{"host:port in braces", `a: { b: x:1 }`, m("a", m("b", "x:1"))},
		{"JSON", `{"a":{"b":[1,2.5,"x",true,null]}}`, m("a", m("b", l(int64(1), 2.5, "x", true, nil)))},
		{"a literal block", "a: |\n  x\n\n   y\nb: 1", m("a", "x\n\n y\n", "b", int64(1))},
		{"a folded block", "a: >-\n  x\n  y\n\n  z\n", m("a", "x y\nz")},
		{"text over lines", "a: x\n  y\n  z\nb: \"x\n  y\"", m("a", "x y z", "b", "x y")},
		{"lists at the column of their key", "a:\n- 1\n- b: 2\n  c: 3\n", m("a", l(int64(1), m("b", int64(2), "c", int64(3))))},
		{"a number sign that starts no comment", "a: x#y # z\nb: '#'", m("a", "x#y", "b", "#")},
		{"keys are text", "on: 1\nno: 2\n1: 3\ntrue: 4\nnull: 5\n1.50: 6", m("on", int64(1), "no", int64(2), "1", int64(3), "true", int64(4), "null", int64(5), "1.50", int64(6))},
		{"line ends of other systems", "a: 1\r\nb:\r\n  - x\r\n  - y\r\n", m("a", int64(1), "b", l("x", "y"))},
		{"a byte order mark", "\ufeffa: 1", m("a", int64(1))},
		{"document marks", "--- # start\na: 1\n...\n", m("a", int64(1))},
		{"aliases", "a: &x { k: [1] }\nb: *x\nc: [*x]", m("a", m("k", l(int64(1))), "b", m("k", l(int64(1))), "c", l(m("k", l(int64(1)))))},
		{"merges, where the own key wins wherever it stands", "a: &x { k: 1, m: 2 }\nb:\n  k: 3\n  <<: *x\n  n: 4", m("a", m("k", int64(1), "m", int64(2)), "b", m("k", int64(3), "n", int64(4), "m", int64(2)))},
		{"merges of lists, where the first wins", "a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: { <<: [*x, *y] }", m("a", m("k", int64(1)), "b", m("k", int64(2), "l", int64(3)), "c", m("k", int64(1), "l", int64(3)))},
		{"an arrow and a comma", "a: [0/s -> 5/s in 30s, 5/s for 9m]", m("a", l("0/s -> 5/s in 30s", "5/s for 9m"))},
		{"operators", "a: { t: < 2s, u: <= 5 }\nb: x > 5", m("a", m("t", "< 2s", "u", "<= 5"), "b", "x > 5")},
		{"expressions", "a: /p?x=${rand(1,40)}&y=#1\nb: ${x}", m("a", "/p?x=${rand(1,40)}&y=#1", "b", "${x}")},
		{"nothing", "a:\nb: ~\nc: null\nd: ''\ne: [,]", nil},
		{"nothing at all", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, problems := Parse("x.yaml", []byte(c.src))
			if c.name == "nothing" {
				if problems.Err() == nil {
					t.Fatal("an empty item was accepted")
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			d := &Decoder{Doc: doc}
			if diff := cmp.Diff(c.want, d.Value(doc.Root(), true)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func m(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

func l(items ...any) []any { return items }

// Each node says where it stands. The marks below the lines are the nodes, in
// the order of a walk: key, then value.
func TestPositions(t *testing.T) {
	for _, src := range []string{
		"ä: 'ß''x'\n" +
			"^  ^~~~~~\n",
		"a: [1, two, { k: \"v\" }]\n" +
			"^  ^~~~~~~~~~~~~~~~~~~~\n" +
			"    ^  ^~~  ^~~~~~~~~~\n" +
			"              ^  ^~~\n",
		"a:\tb\t# c\n" +
			"^ \t^\n",
		"key: some plain text # tail\n" +
			"^~~  ^~~~~~~~~~~~~~~\n",
		"k: [h:80, \"q\"]\n" +
			"^  ^~~~~~~~~~~\n" +
			"    ^~~~  ^~~\n",
		"a: &x yes\n" +
			"^     ^~~\n",
		"日本: 語 \n" +
			"^~  ^\n",
		"a: ~\n" +
			"^  ^\n",
	} {
		line, marks, _ := strings.Cut(src, "\n")
		doc, problems := Parse("x.yaml", []byte(line))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		want := map[[2]int]bool{}
		for _, row := range strings.Split(marks, "\n") {
			rs := []rune(row)
			for i := 0; i < len(rs); i++ {
				if rs[i] != '^' {
					continue
				}
				n := 1
				for i+n < len(rs) && rs[i+n] == '~' {
					n++
				}
				want[[2]int{i + 1, n}] = true
			}
		}
		got := map[[2]int]bool{}
		var walk func(n Node)
		walk = func(n Node) {
			for _, e := range n.Entries() {
				got[[2]int{e.KeyNode.Col(), e.KeyNode.Len()}] = true
				got[[2]int{e.Value.Col(), e.Value.Len()}] = true
				walk(e.Value)
			}
			for _, item := range n.Items() {
				got[[2]int{item.Col(), item.Len()}] = true
				walk(item)
			}
		}
		walk(doc.Root())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n(-want +got, column and length):\n%s", src, diff)
		}
	}
}

func TestPath(t *testing.T) {
	doc, _ := Parse("x.yaml", []byte("loads: { browse: { steps: [{ get: / }, { post: /cart }] } }"))
	n := doc.Root()
	if n.Path() != "" {
		t.Errorf("root: %q", n.Path())
	}
	for _, key := range []string{"loads", "browse", "steps"} {
		n, _ = n.Get(key)
	}
	post, ok := n.Items()[1].Get("post")
	if !ok || post.Path() != "loads.browse.steps[1].post" {
		t.Errorf("got %q", post.Path())
	}
	if key, ok := post.Key(); !ok || key.Text() != "post" || key.Path() != "loads.browse.steps[1]" {
		t.Errorf("key %q at %q", key.Text(), key.Path())
	}
	if _, ok := n.Items()[0].Key(); ok {
		t.Error("an item has no key")
	}
	if _, ok := n.Get("x"); ok {
		t.Error("a list has no keys")
	}
}

// A key that lives beside a map can be decoded as if it lived inside.
func TestWithAndWithout(t *testing.T) {
	doc, _ := Parse("x.yaml", []byte("http: { base: x, n: 1 }\nsteps: [a, b]\nempty:\n"))
	http, _ := doc.Root().Get("http")
	steps := doc.Root().Entries()[1]
	d := &Decoder{Doc: doc}
	value := func(n Node) any { return d.Value(n, false) }

	for _, c := range []struct {
		name string
		got  any
		want any
	}{
		{"one more key", value(http.With(steps)), m("base", "x", "n", int64(1), "steps", l("a", "b"))},
		{"a key in the place of another", value(http.With(steps).With(Entry{Key: "steps", Value: http})), m("base", "x", "n", int64(1), "steps", m("base", "x", "n", int64(1)))},
		{"one key less", value(http.Without("n", "none")), m("base", "x")},
		{"a section with no keys", value(doc.Root().Entries()[2].Value.With(steps)), m("steps", l("a", "b"))},
		{"a list stays a list", value(steps.Value.With(steps)), l("a", "b")},
		{"the map as it was", value(http), m("base", "x", "n", int64(1))},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	with, _ := http.With(steps).Get("steps")
	if with.Line() != 2 || with.Path() != "http.steps" {
		t.Errorf("at line %d, path %q", with.Line(), with.Path())
	}
}

// Problems are printed by place, once, and no more than MaxProblems of them.
func TestProblemsAreSortedAndCounted(t *testing.T) {
	var ps Problems
	for i := 60; i > 0; i-- {
		p := Problem{File: "a.yaml", Line: i, Col: 1, Code: CodeSyntax, Message: "wrong"}
		ps = append(ps, p, p)
	}
	out := ps.Error()
	lines := strings.Split(out, "\n")
	if lines[0] != "a.yaml:1:1: syntax wrong" || lines[len(lines)-1] != "and 10 more" || len(lines) != MaxProblems+1 {
		t.Errorf("got %d lines, first %q, last %q", len(lines), lines[0], lines[len(lines)-1])
	}
	warned := Problems{{File: "a.yaml", Line: 1, Col: 1, Code: "odd", Message: "hm", Warning: true}}
	if warned.Err() != nil || warned.Errors() != nil || len(warned.Warnings()) != 1 {
		t.Error("warnings are no errors")
	}
	if got := append(warned, ps[0]).Err(); got == nil || strings.Contains(got.Error(), "hm") {
		t.Errorf("Err holds errors alone, got %v", got)
	}
	if Problems(nil).Err() != nil {
		t.Error("no problems are no error")
	}
}

// A refused file cannot send its bytes to the terminal.
func TestMessagesAreClean(t *testing.T) {
	doc, problems := Parse("x\x1b[2J.yaml", []byte("a\u202e: [\"\u200b\u2066\n"))
	d := &Decoder{Doc: doc}
	d.Report(doc.Root(), CodeSyntax, "evil \x1b]0;title\x07", "hint\nwith lines \u202e")
	out := append(problems, d.Problems()...).Error()
	for _, r := range out {
		if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e' || r == '\u2066' || r == '\u200b') {
			t.Errorf("%q holds %U", out, r)
		}
	}
}
