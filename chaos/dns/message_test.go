package dns

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern string
		name    string
		matches bool
	}{
		{"a.b", "a.b", true},
		{"A.b.", "a.b", true},       // as people write it
		{"a.b", "c.a.b", false},     // exact is exact
		{"*.b", "a.b", true},        //
		{"*.b", "c.a.b", true},      // at any depth
		{"*.b", "b", false},         // not the suffix itself
		{"*.b", "ab", false},        // whole labels only
		{"*", "a", true},            // all
		{"_sip._tcp.b", "a", false}, // services have underscores
	} {
		p, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if got := p.matches(test.name); got != test.matches {
			t.Errorf("%s matches %s: %t", p, test.name, got)
		}
		if name := p.example("x"); !p.matches(name) {
			t.Errorf("%s has example %s, which it does not match", p, name)
		}
	}
	for _, bad := range []string{"", ".", "a..b", "*.", "a.*", "*a.b", "**", "a b", "ä.b", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"} {
		if p, err := parsePattern(bad); err == nil {
			t.Errorf("%q is accepted as %s", bad, p)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		a, b Pattern
		want bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "c.b", false},
		{"*.b", "a.b", true},
		{"*.b", "b", false},
		{"*.b", "*.a.b", true}, // the wider one has the narrower
		{"*.b", "*.c", false},
		{"*.b", "*.ab", false},
		{"*", "a.b", true},
		{"*", "*.b", true},
		{"*", "*", true},
	} {
		if test.a.overlaps(test.b) != test.want || test.b.overlaps(test.a) != test.want {
			t.Errorf("%s overlaps %s: not %t both ways", test.a, test.b, test.want)
		}
	}
}

// A share is a pure function of the seed, and about as large as it says.
func TestDraw(t *testing.T) {
	r := Rule{Share: 0.25, Delay: 100, Jitter: 20, Seed: 7}
	hits := 0
	for n := range uint64(10_000) {
		hit, delay := r.draw(n)
		if again, later := r.draw(n); again != hit || later != delay {
			t.Fatalf("query %d is drawn differently", n)
		}
		if delay < 80 || delay > 120 {
			t.Fatalf("delay %d", delay)
		}
		if hit {
			hits++
		}
	}
	if hits < 2300 || hits > 2700 {
		t.Errorf("%d of 10000 are hit, want about 2500", hits)
	}
}

// Forged answers fit into a plain UDP message even for the longest name.
func TestForgedFits(t *testing.T) {
	name := strings.Repeat(strings.Repeat("a", 62)+".", 4)
	addresses := slices.Repeat([]netip.Addr{netip.MustParseAddr("2001:db8::1")}, mostAnswers)
	q := query{edns: true, question: dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}
	for _, r := range []Rule{{Answer: addresses}, {Fail: failNXDomain}} {
		answer, err := forge(q, r, "a-fault-with-a-name-0123456789abcdef")
		if err != nil {
			t.Fatal(err)
		}
		if len(answer) > ednsSize {
			t.Errorf("%d bytes with EDNS", len(answer))
		}
		q.edns = false
		if answer, err = forge(q, r, ""); err != nil || len(answer) > 530 {
			t.Errorf("%d bytes, %v", len(answer), err)
		}
		q.edns = true
	}
}

// What is taken for a query can be answered, and the answer is one to it.
func FuzzParseQuery(f *testing.F) {
	plain, err := ask(1, "payments.svc", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte{})
	f.Add(slices.Repeat([]byte{0xc0}, 40)) // compression that leads nowhere
	f.Fuzz(func(t *testing.T, message []byte) {
		q, err := parseQuery(message)
		if err != nil {
			return
		}
		for _, r := range []Rule{
			{Fail: failNXDomain}, {Fail: failServfail},
			{Answer: []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("::9")}, AnswerTTL: time.Second},
		} {
			answer, err := forge(q, r, "x-1")
			if err != nil {
				t.Fatalf("forge: %v", err)
			}
			back, err := parseReply(answer)
			if err != nil {
				t.Fatalf("read the forged answer: %v", err)
			}
			if back.code != rcodes[r.Fail] || q.edns && back.forgedBy != "x-1" || !q.edns && back.forgedBy != "" {
				t.Errorf("the forged answer reads %+v", back)
			}
			if answer[0] != message[0] || answer[1] != message[1] {
				t.Error("the answer has another id")
			}
		}
	})
}

// Nothing that an upstream may say upsets the probe.
func FuzzParseReply(f *testing.F) {
	q, err := ask(1, "payments.svc", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	parsed, err := parseQuery(q)
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []Rule{{Fail: failNXDomain}, {Answer: []netip.Addr{netip.MustParseAddr("127.0.0.9")}}} {
		answer, err := forge(parsed, r, "x-1")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(answer)
	}
	f.Fuzz(func(_ *testing.T, message []byte) { _, _ = parseReply(message) })
}

// A pattern that is accepted is its own canonical form and matches its example.
func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{"a.b", "*.b", "*", "A.B.", "_x._y.z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		if again, err := parsePattern(string(p)); err != nil || again != p {
			t.Errorf("%q becomes %q, and that %q, %v", text, p, again, err)
		}
		if !p.matches(p.example("brunt-x")) || !p.overlaps(p) {
			t.Errorf("%q does not match its example", p)
		}
	})
}

// BenchmarkHarm is what the rules cost a query that none is about.
func BenchmarkHarm(b *testing.B) {
	message, err := ask(uint16(rand.Uint32()), "payments.svc", dnsmessage.TypeA)
	if err != nil {
		b.Fatal(err)
	}
	s := &server{}
	s.set.Store(&[]*active{{Rule: Rule{Names: []Pattern{"*.db.svc", "orders.svc"}, Fail: failRefused, Share: 1}}})
	b.ReportAllocs()
	for b.Loop() {
		q, err := parseQuery(message)
		if err != nil {
			b.Fatal(err)
		}
		if _, done := s.harm(b.Context(), q); done {
			b.Fatal("harmed")
		}
	}
}
