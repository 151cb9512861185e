package decode

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hostile are files that try to cost a parser its memory, its time or its
// life. Each is at most MaxSize unless it is about size.
func hostile() []struct{ name, src string } {
	fill := func(s string) string { return strings.Repeat(s, MaxSize/len(s)) }
	number := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 20; i++ {
		bomb += fmt.Sprintf("a%d: &a%[1]d [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	chain := "a0: &a0 [x]\n"
	for i := 1; i < 2000; i++ {
		chain += fmt.Sprintf("a%d: &a%[1]d [*a%d]\n", i, i-1)
	}
	merges := "m0: &m0 {k: 1}\n"
	for i := 1; i < 1000; i++ {
		merges += fmt.Sprintf("m%d: &m%[1]d\n  <<: *m%d\n  k%[1]d: 1\n", i, i-1)
	}
	nested := ""
	for i := range 60 {
		nested += strings.Repeat(" ", i) + strings.Repeat("k", 250) + ":\n"
	}
	under := func(s string, marks int) string { return strings.Repeat(s, (MaxMarks-10)/marks) } // as much as gets to the scanner
	return []struct{ name, src string }{
		{"fewer brackets", under("[", 1)},                                            // the same as below, past the first check
		{"fewer braces with keys", under("{a: ", 2)},                                 //
		{"fewer dashes", under("- ", 1)},                                             //
		{"fewer question marks", under("? ", 1)},                                     //
		{"fewer colons", under(": ", 1)},                                             //
		{"fewer colons in braces", "{" + under(": ", 1)},                             //
		{"fewer anchors", under("&a ", 1)},                                           //
		{"anchors on lines", under("&a\n", 2)},                                       //
		{"fewer aliases", under("*a ", 1)},                                           //
		{"fewer tags", under("!a ", 1)},                                              //
		{"tags on lines", under("!a\n", 2)},                                          //
		{"fewer percents", under("%a\n", 2)},                                         //
		{"fewer documents", under("---\n", 4)},                                       //
		{"fewer ends", under("...\n", 1)},                                            //
		{"fewer merge keys", under("<<: a\n", 2)},                                    //
		{"fewer keys", number("k%d: v\n", 49_000)},                                   //
		{"keys up to the limit", "any:\n" + number(" k%d:\n", MaxKeys-1) + "z: 1\n"}, // quadratic, but small
		{"maps up to the limit", mapsOf(9, 1000)},                                    //
		{"fewer items", under("- a\n", 2)},                                           //
		{"fewer items in brackets", "a: [" + under("1,", 1) + "]"},                   //
		{"items of nothing", under("-\n", 2)},                                        //
		{"commas", "[" + under(",", 1)},                                              //
		{"closing brackets", under("]", 1)},                                          //
		{"fewer quotes", under("\"\"", 2)},                                           //
		{"quotes on lines", under("'\n", 2)},                                         //
		{"bars", under("|\n", 2)},                                                    //
		{"fewer comments", under("# c\n", 2)},                                        //
		{"pairs in brackets", "[" + under("a: b, ", 2) + "]"},                        //
		{"a long block of few marks", "any: |\n" + strings.Repeat("  "+strings.Repeat("x", 98)+"\n", 10_000) + "z: 1\n"}, //
		{"aliases up to the limit", "x: &x [1]\nany: [" + strings.Repeat("*x, ", 9_000) + "]\nz: 1\n"},
		{"ten megabytes of keys", strings.Repeat("key: value\n", 1<<20)}, // size is looked at first
		{"ten megabytes of nothing", strings.Repeat("\n", 10<<20)},       //
		{"brackets", fill("[")},            // recursion in flow style
		{"braces", fill("{")},              //
		{"braces with keys", fill("{a: ")}, //
		{"closed brackets", strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19)}, //
		{"dashes", fill("- ")},                                          // recursion in block style
		{"question marks", fill("? ")},                                  //
		{"colons", fill(": ")},                                          //
		{"anchors", fill("&a ")},                                        //
		{"aliases", fill("*a ")},                                        //
		{"tags", fill("!a ")},                                           //
		{"percent", fill("%a\n")},                                       //
		{"documents", fill("---\n")},                                    // recursion by document
		{"ends", fill("...\n")},                                         //
		{"angles", "a: " + fill("<")[4:]},                               // quadratic look-ahead
		{"merge keys", fill("<<: a\n")},                                 //
		{"many keys", number("k%d: v\n", 80_000)},                       // quadratic in the keys of a map
		{"many empty keys", number("k%d:\n", 90_000)},                   //
		{"many keys in braces", "{" + number("k%d: v, ", 70_000) + "}"}, //
		{"many items", fill("- a\n")},                                   //
		{"many items in brackets", "a: [" + fill("1,")[8:] + "]"},       //
		{"staircase", number("%d", 0) + staircase(1000)},                // a key deeper each line
		{"long keys inside each other", nested + number(strings.Repeat(" ", 60)+"k%d: v\n", 1500)}, // paths
		{"a long key", fill("k")[8:] + ": v\n"},                                                    //
		{"a long word", "a: " + fill("x")[8:]},                                                     //
		{"a long quote", "a: \"" + fill("x")[8:] + "\""},                                           //
		{"a long open quote", "a: \"" + fill("x ")[8:]},                                            //
		{"many open quotes", fill("\"\n")},                                                         //
		{"escapes", "a: \"" + fill("\\u00e9")[12:] + "\""},                                         //
		{"a long block", "a: |\n" + fill("  some text: [here]\n")[40:]},                            //
		{"a long folded block", "a: >\n" + fill("  some text\n")[40:]},                             //
		{"a long plain text", "a: x\n" + fill("  y z\n")[40:]},                                     //
		{"a long comment", "#" + fill("#")[8:]},                                                    //
		{"comments", fill("# c\n")},                                                                //
		{"blank lines", fill("\n")},                                                                //
		{"spaces", fill(" ")},                                                                      //
		{"tabs", fill("\t")},                                                                       //
		{"tabs between", "a:" + fill("\t")[8:] + "b"},                                              //
		{"carriage returns", fill("\r")},                                                           //
		{"NUL bytes", fill("\x00")},                                                                //
		{"not UTF-8", fill("\xff")},                                                                //
		{"an alias bomb", bomb},                                                                    // 9^20 values
		{"a chain of aliases", chain},                                                              // depth by aliases
		{"a chain of merges", merges},                                                              // a million entries
		{"an alias to itself", "a: &a [*a]\n"},                                                     //
		{"unknown keys on one line", "{" + number("key%d: v, ", 6_000) + "}"},                      // one long line, many problems
		{"wrong everywhere", "rates: [" + number("x%d, ", 15_000) + "]\n"},                         //
	}
}

func staircase(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "k:\n")
	}
	return b.String()
}

// mapsOf is n maps of so many keys each.
func mapsOf(n, keys int) string {
	var b strings.Builder
	b.WriteString("any:\n")
	for i := range n {
		fmt.Fprintf(&b, "  m%d:\n", i)
		for k := range keys {
			fmt.Fprintf(&b, "    k%d: v\n", k)
		}
	}
	return b.String()
}

type hostileConfig struct {
	Key   string    `yaml:"key" required:"true"`
	Rates []float64 `yaml:"rates" unit:"rate"`
	Any   any       `yaml:"any"`
}

// Every hostile file is answered within a bound on what is allocated in all,
// and so on what can be held at once. The allocation is also what takes the
// time: there is no other work.
func TestHostileFilesAreBounded(t *testing.T) {
	for _, c := range hostile() {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			doc, problems := Parse("hostile.yaml", []byte(c.src))
			d := &Decoder{Doc: doc}
			d.Decode(doc.Root(), &hostileConfig{})
			out := append(problems, d.Problems()...).Error()
			runtime.ReadMemStats(&after)
			const most = 160 << 20
			if total := after.TotalAlloc - before.TotalAlloc; total > most {
				t.Errorf("allocated %d MiB in all, at most %d are allowed", total>>20, most>>20)
			}
			if out == "" {
				t.Error("accepted")
			}
			if len(out) > 64<<10 {
				t.Errorf("the message has %d bytes", len(out))
			}
			t.Logf("%d KiB allocated; %.200s", (after.TotalAlloc-before.TotalAlloc)>>10, out)
		})
	}
}
