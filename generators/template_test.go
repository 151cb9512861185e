package generators

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func testScope(t testing.TB, seed uint64) Scope {
	t.Helper()
	f, err := NewFeed("users", []string{"id", "user.name", "größe"}, [][]string{{"7", "Ada L", "XL"}}, FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := f.Row(0)
	if err != nil {
		t.Fatal(err)
	}
	return Scope{
		Vars:    map[string]string{"sku": "a-1", "empty": "", "x-y_2": "ok"},
		Rows:    map[string]Row{"users": row},
		Rand:    newRand(seed),
		Arrival: 12345,
		Session: 6,
		Now:     time.Date(2026, 11, 27, 9, 5, 3, 45e6, time.FixedZone("", 3600)),
	}
}

func mustTemplate(t testing.TB, src string) *Template {
	t.Helper()
	p, err := ParseTemplate(src)
	if err != nil {
		t.Fatalf("ParseTemplate(%q): %v", src, err)
	}
	return p
}

func TestTemplateAppend(t *testing.T) {
	tests := []struct {
		name, src, want string // want with / around it is a regexp
		references      []string
	}{
		{"constant", "/cart", "/cart", nil},
		{"empty", "", "", nil},
		{"column", "/users/${users.id}?x=1", "/users/7?x=1", []string{"users.id"}},
		// The feed's name ends at the first dot: flattened JSON has more.
		{"column with a dot", "${users.user.name}", "Ada L", []string{"users.user.name"}},
		{"letters are not ASCII alone", "${users.größe}", "XL", []string{"users.größe"}},
		{"variable", "${sku}", "a-1", []string{"sku"}},
		{"every character of a name", "${x-y_2}", "ok", []string{"x-y_2"}},
		// Empty is a value.
		{"empty variable", "[${empty}]", "[]", []string{"empty"}},
		// Each reference is listed once, in order.
		{"several", "${sku}${users.id}${sku}", "a-17a-1", []string{"sku", "users.id"}},
		{"spaces inside", "${ sku }${\trand( 5 , 5 ) }", "a-15", []string{"sku"}},
		{"rand", "${rand(1,6)}", "/^[1-6]$/", nil},
		{"rand of one", "${rand(-3,-3)}", "-3", nil},
		{"rand of all", "${rand(-9223372036854775808,9223372036854775807)}", "/^-?[0-9]+$/", nil},
		{"randstr", "${randstr(8)}", "/^[A-Za-z0-9]{8}$/", nil},
		{"uuid", "${uuid()}", "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/", nil},
		// In UTC, whatever the clock's zone.
		{"now", "${now()}", "2026-11-27T08:05:03.045Z", nil},
		{"now in seconds", "${now(unix)}", "1795766703", nil},
		{"now in milliseconds", "${now( unix_ms )}", "1795766703045", nil},
		{"seq and session", "${seq()}-${session()}", "12345-6", nil},
		// A function's name without a call is a variable like any other.
		{"variable named as a function", "${session}", "", []string{"session"}},
		// $ means something before { only, and $$ before ${ only.
		{"dollars", "$5 $$ $ ${sku}$", "$5 $$ $ a-1$", []string{"sku"}},
		{"escaped", "$${sku} $$${sku} $$$", "${sku} $${sku} $$$", nil},
		{"brace alone", "{\"a\": {\"b\": \"${sku}\"}}", "{\"a\": {\"b\": \"a-1\"}}", []string{"sku"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustTemplate(t, tt.src)
			if d := cmp.Diff(tt.references, p.References()); d != "" {
				t.Errorf("references (-want +got):\n%s", d)
			}
			if p.String() != tt.src {
				t.Errorf("source is %q, want %q", p, tt.src)
			}
			s := testScope(t, 1)
			s.Vars["session"] = ""
			got, err := p.Append([]byte("> "), s)
			if err != nil {
				t.Fatalf("Append: %v", err)
			}
			text := strings.TrimPrefix(string(got), "> ")
			if pattern, ok := strings.CutPrefix(tt.want, "/^"); ok {
				if !regexp.MustCompile("^" + strings.TrimSuffix(pattern, "/")).MatchString(text) {
					t.Errorf("text is %q, want %s", text, tt.want)
				}
			} else if text != tt.want {
				t.Errorf("text is %q, want %q", text, tt.want)
			}
			constant, ok := p.Constant()
			if wantOK := !strings.Contains(strings.ReplaceAll(tt.src, "$${", ""), "${"); ok != wantOK || ok && constant != text {
				t.Errorf("Constant is %q, %v", constant, ok)
			}
		})
	}
}

func TestTemplateIsDeterministic(t *testing.T) {
	p := mustTemplate(t, "${rand(1,1000000)} ${randstr(20)} ${uuid()}")
	text := func(seed uint64) string {
		b, err := p.Append(nil, testScope(t, seed))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := text(4), text(4); a != b {
		t.Errorf("the same source gave %q and %q", a, b)
	}
	if a, b := text(4), text(5); a == b {
		t.Errorf("two sources gave the same %q", a)
	}
}

func TestRandIncludesBothEnds(t *testing.T) {
	p := mustTemplate(t, "${rand(-2,2)}")
	s := testScope(t, 3)
	counts := map[int]int{}
	for range 5000 {
		b, err := p.Append(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(string(b))
		if err != nil {
			t.Fatal(err)
		}
		counts[n]++
	}
	for n := -2; n <= 2; n++ { // five standard deviations
		if math.Abs(float64(counts[n]-1000)) > 5*math.Sqrt(800) {
			t.Errorf("counts are %v, want about 1000 of each from -2 to 2", counts)
			break
		}
	}
	if len(counts) != 5 {
		t.Errorf("counts are %v, want -2 to 2", counts)
	}
}

func TestTemplateWithoutAValue(t *testing.T) {
	tests := []struct {
		name, src string
		scope     func(*Scope)
		want      string
	}{
		// A step that should have extracted it did not run, or failed.
		{"variable", "a ${cart}", func(*Scope) {}, "${cart} has no value: the session has no variable cart at this point"},
		{"column", "a ${users.mail}", func(*Scope) {}, "${users.mail} has no value: feed users has no column mail"},
		{"feed", "a ${items.id}", func(*Scope) {}, "${items.id} has no value: there is no row of a feed items"},
		{"no source", "a ${rand(1, 2)}", func(s *Scope) { s.Rand = nil }, "${rand(1, 2)} has no value: there is no source of random numbers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := testScope(t, 1)
			tt.scope(&s)
			got, err := mustTemplate(t, tt.src).Append([]byte("> "), s)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if string(got) != "> " {
				t.Errorf("dst is %q, want it as it was", got)
			}
		})
	}
}

func TestTemplateEscapesValuesAlone(t *testing.T) {
	s := testScope(t, 1)
	s.Vars["q"] = `say "hi"`
	got, err := mustTemplate(t, `{"q": "${q}", "n": ${seq()}}`).AppendEscaped(nil, s, func(dst []byte, value string) []byte {
		quoted := strconv.AppendQuote(dst, value)
		return append(quoted[:len(dst)], quoted[len(dst)+1:len(quoted)-1]...)
	})
	if want := `{"q": "say \"hi\"", "n": 12345}`; err != nil || string(got) != want {
		t.Errorf("text is %s, %v, want %s", got, err, want)
	}
}

func TestParseTemplateRefuses(t *testing.T) {
	tests := []struct {
		src     string
		offset  int
		message string
		hint    string
	}{
		// The offset is that of what is wrong, for a caret in the file.
		{"ab${sku", 2, "${ is never closed", "write $${ for a literal ${"},
		{"a${}", 3, "nothing between ${ and }", "write a name, like ${users.id}, or $${ for a literal ${"},
		{"a${  }", 5, "nothing between ${ and }", "write a name"},
		{"${a${b}}", 3, "${ inside ${…}", "close the first one"},
		{"${a b}", 3, `' ' cannot be part of a name`, "a name has letters"},
		{"é${2x}", 4, `'2' cannot be part of a name`, "a name has letters"},
		{"${a.b!}", 5, `'!' cannot be part of a name`, ""},
		{"${\xff}", 2, "cannot be part of a name", ""},
		{"${users.}", 2, `"users." has a dot without a name on both sides`, "write feed.column"},
		{"${.id}", 2, `".id" has a dot without a name`, "write feed.column"},
		{"${a..b}", 2, `"a..b" has a dot without a name`, "write feed.column"},
		// Spelling.
		{"x${rnad(1,2)}", 3, `no function is named "rnad"`, "did you mean ${rand(1,40)}?"},
		{"${UUID()}", 2, `no function is named "UUID"`, "did you mean ${uuid()}?"},
		{"${randst(8)}", 2, `no function is named "randst"`, "did you mean ${randstr(8)}?"},
		// What other tools call it.
		{"${randomInt(1,2)}", 2, `no function is named "randomInt"`, "did you mean ${rand(1,40)}?"},
		{"${randomString(2)}", 2, "", "did you mean ${randstr(8)}?"},
		{"${timestamp()}", 2, "", "did you mean ${now()}?"},
		{"${__VU()}", 2, "", "did you mean ${session()}?"},
		{"${iteration()}", 2, "", "did you mean ${seq()}?"},
		// Nothing near: say what there is.
		{"${frobnicate()}", 2, `no function is named "frobnicate"`, "there are rand, randstr, uuid, now, seq, session"},
		{"${()}", 2, `no function is named ""`, "there are rand"},
		{"${" + strings.Repeat("r", 1e6) + "()}", 2, "no function is named", "there are rand"},
		// Calls.
		{"${uuid(}", 7, "uuid( is never closed", "write ${uuid()}"},
		{"${uuid()x}", 9, "uuid( is never closed", "write ${uuid()}"},
		{"${rand(1)}", 2, "rand takes 2 arguments, not 1", "write ${rand(1,40)}"},
		{"${randstr()}", 2, "randstr takes 1 argument, not 0", "write ${randstr(8)}"},
		{"${uuid(4)}", 2, "uuid takes 0 arguments, not 1", "write ${uuid()}"},
		{"${now(1,2)}", 2, "now takes 1 argument, not 2", "write ${now()}"},
		{"${rand(1, 2.5)}", 10, `"2.5" is not a whole number`, ""},
		{"${rand(,2)}", 7, `"" is not a whole number`, ""},
		{"${rand(1,99999999999999999999)}", 9, "is not a whole number", ""},
		{"${rand(40,1)}", 7, "rand's range ends at 1, before it starts at 40", "did you mean ${rand(1,40)}?"},
		{"${randstr(0)}", 10, "randstr makes from 1 to 1048576 characters, not 0", ""},
		{"${randstr(1048577)}", 10, "randstr makes from 1 to 1048576 characters", ""},
		{"${now(iso)}", 6, `now has no format "iso"`, "write ${now()}, ${now(unix)} or ${now(unix_ms)}"},
	}
	for _, tt := range tests {
		t.Run(tt.src[:min(len(tt.src), 40)], func(t *testing.T) {
			p, err := ParseTemplate(tt.src)
			var bad *TemplateError
			if !errors.As(err, &bad) {
				t.Fatalf("ParseTemplate gives %v, %v, want a *TemplateError", p, err)
			}
			if bad.Offset != tt.offset || !strings.Contains(bad.Message, tt.message) || !strings.Contains(bad.Hint, tt.hint) {
				t.Errorf("error is %+v, want offset %d, message %q, hint %q", *bad, tt.offset, tt.message, tt.hint)
			}
			if !strings.Contains(err.Error(), bad.Message) || !strings.Contains(err.Error(), bad.Hint) {
				t.Errorf("error reads %q, without its message or hint", err)
			}
		})
	}
}

func TestConcurrentAppend(t *testing.T) {
	p := mustTemplate(t, "${users.id} ${seq()}")
	s := testScope(t, 1)
	done := make(chan string)
	for range 4 {
		go func() {
			b, err := p.Append(nil, s)
			if err != nil {
				b = []byte(err.Error())
			}
			done <- string(b)
		}()
	}
	for range 4 {
		if got := <-done; got != "7 12345" {
			t.Errorf("text is %q, want %q", got, "7 12345")
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for _, src := range []string{"/p", "/users/${users.id}", "${sku}", "${rand(1,40)}", "${randstr(8)}", "${uuid()}", "${now()}", "${seq()}${session()}"} {
		p, s, b := mustTemplate(t, src), testScope(t, 1), make([]byte, 0, 256)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Append(b, s); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", src, n)
		}
	}
}

// FuzzParseTemplate: no source makes it panic, an error lies within the
// source, what is accepted plays, and constants come back as they went in.
func FuzzParseTemplate(f *testing.F) {
	for _, src := range []string{"", "/a?b=${users.id}", "$${x} $", "${rand(1,40)}${randstr(8)}", "${uuid()}${now(unix)}${seq()}${session()}", "${a${b}", "${rnad(", "${é.ü}", "$$$${"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		constant, err := ParseTemplate(EscapeTemplate(src))
		if err != nil {
			t.Fatalf("escaped: %v", err)
		}
		if text, ok := constant.Constant(); !ok || text != src {
			t.Fatalf("escaped and parsed, %q is %q, %v", src, text, ok)
		}

		p, err := ParseTemplate(src)
		if err != nil {
			var bad *TemplateError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v is no *TemplateError", err)
			}
			if bad.Offset < 0 || bad.Offset > len(src) || bad.Message == "" {
				t.Fatalf("error %+v does not fit a source of %d bytes", bad, len(src))
			}
			return
		}
		refs := p.References()
		if slices.Contains(refs, "") {
			t.Fatalf("references %q", refs)
		}
		s := testScope(t, 1)
		for _, name := range refs {
			if !utf8.ValidString(name) {
				t.Fatalf("reference %q", name)
			}
			s.Vars[name] = "v"
		}
		text, err := p.Append(nil, s)
		if err != nil && !strings.Contains(err.Error(), "has no value") {
			t.Fatal(err)
		}
		if constant, ok := p.Constant(); ok && constant != string(text) {
			t.Fatalf("Constant is %q, Append gives %q", constant, text)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, src := range []string{"/users/${users.id}", "/products?page=${rand(1,40)}", "${randstr(8)}", "${uuid()}", "${now()}"} {
		b.Run(src, func(b *testing.B) {
			p, s, dst := mustTemplate(b, src), testScope(b, 1), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Append(dst, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
