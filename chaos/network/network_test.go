package network

import (
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/chaos"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestValidate(t *testing.T) {
	for _, row := range []struct {
		name   string
		config Config
		fields []string // reported, in order
	}{
		{"a partition of a namespace", Config{Netns: "a", Partition: true}, nil},
		{"everything at once", Config{Interface: "eth0", Loss: 0.1, Rate: 1 << 20, Delay: time.Second, Jitter: time.Second}, nil},
		{"peers in every form", Config{Partition: true, To: []string{"10.9.0.2", "10.9.0.0/16", "10.9.0.2:80", "fd00::1", "[fd00::1]:443", ":5432", "db", "db.internal:5432"}}, nil},
		// On the host, such a fault would cut off whoever set it.
		{"this whole machine", Config{Partition: true}, []string{""}},
		{"nothing to do", Config{Netns: "a"}, []string{""}},
		{"a partition that also delays", Config{Netns: "a", Partition: true, Delay: time.Second}, []string{"partition"}},
		{"more jitter than delay", Config{Netns: "a", Delay: time.Second, Jitter: 2 * time.Second}, []string{"jitter"}},
		{"a delay for which the kernel would hold too many packets", Config{Netns: "a", Delay: time.Hour}, []string{"delay"}},
		{"reorder needs something to overtake", Config{Netns: "a", Reorder: 0.1}, []string{"reorder"}},
		{"netem sits on the way out", Config{Netns: "a", Corrupt: 0.1, Direction: both}, []string{"direction"}},
		{"values out of range", Config{Netns: "a", Loss: 1.1, Rate: -1, TTL: -1}, []string{"loss", "rate", "ttl"}},
		{"no such direction", Config{Netns: "a", Loss: 0.1, Direction: "up"}, []string{"direction"}},
		// Names go into rulesets and paths.
		{"an interface that says more", Config{Interface: `a" drop; "`, Loss: 0.1}, []string{"interface"}},
		{"an interface that is an option", Config{Interface: "-b", Loss: 0.1}, []string{"interface"}},
		{"a namespace outside its folder", Config{Netns: "../../etc/passwd", Loss: 0.1}, []string{"netns"}},
		{"a rate needs an interface on the host", Config{To: []string{"10.9.0.2"}, Rate: 1 << 20}, []string{"interface"}},
		{"a policer does not", Config{To: []string{"10.9.0.2"}, Rate: 1 << 20, Direction: inbound}, nil},
		{"peers that are none", Config{Partition: true, To: []string{"", "10.9.0", "10.9.0.2:0", "10.9.0.2:http", "a b", "10.9.0.2/33"}}, []string{"to.0", "to.1", "to.2", "to.3", "to.4", "to.5"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var fields []string
			row.config.Validate(func(field, message, _ string) {
				if message == "" {
					t.Errorf("%s: no message", field)
				}
				fields = append(fields, field)
			})
			if diff := cmp.Diff(row.fields, fields); diff != "" {
				t.Error(diff)
			}
			if _, err := New(row.config, chaos.Env{Fault: "cut"}); (err != nil) != (len(row.fields) > 0) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestWhat(t *testing.T) {
	for want, config := range map[string]Config{
		"partition on netns a with 10.9.0.2":                       {Netns: "a", Partition: true, To: []string{"10.9.0.2"}},
		"delay 50ms ±5ms, loss 10% out of interface e0 of netns a": {Netns: "a", Interface: "e0", Direction: outbound, Delay: 50 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1},
		"rate 1.5MiB/s into this machine with db:5432":             {To: []string{"db:5432"}, Rate: 3 << 19, Direction: inbound},
		"delay 1s, duplicate 1%, corrupt 0.1%, reorder 5% on interface e0": {
			Interface: "e0", Delay: time.Second, Duplicate: 0.01, Corrupt: 0.001, Reorder: 0.05},
	} {
		if got := What(config); got != want {
			t.Errorf("What: %q, want %q", got, want)
		}
		if OneShot(config) {
			t.Errorf("%s is a one-shot", want)
		}
	}
}

func TestTTL(t *testing.T) {
	for want, row := range map[time.Duration]struct {
		ttl, length time.Duration
	}{
		time.Hour:        {time.Hour, time.Minute}, // as configured
		70 * time.Second: {0, time.Minute},         // the planned end, and the margin
		longestExpiry:    {0, 0},                   // until the run ends
	} {
		f, err := New(Config{Netns: "a", Partition: true, TTL: row.ttl}, chaos.Env{For: row.length})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.(*fault).ttl; got != want {
			t.Errorf("TTL %s for %s: %s, want %s", row.ttl, row.length, got, want)
		}
	}
}

// The commands and rules of each form, to be read by people. Run with -update
// to rewrite.
func TestGolden(t *testing.T) {
	one := peer{Prefix: netip.MustParsePrefix("10.9.0.2/32")}
	for name, d := range map[string]data{
		"partition":    {Way: both, Harm: harm{Partition: true}, Peers: []peer{one}},
		"partition_in": {Way: inbound, Harm: harm{Partition: true}, Interface: "veth0"},
		"peers": {Way: both, Harm: harm{Partition: true}, Peers: []peer{
			one, {Prefix: netip.MustParsePrefix("10.20.0.0/16"), Port: 5432}, {Prefix: netip.MustParsePrefix("fd00::/64")}, {Prefix: netip.MustParsePrefix("::/0"), Port: 443},
		}},
		"loss":              {Way: outbound, Harm: harm{Loss: 0.1}, Peers: []peer{one}},
		"loss_all":          {Way: outbound, Harm: harm{Loss: 1}, Peers: []peer{one}},
		"rate":              {Way: both, Harm: harm{Rate: 1 << 20}, Interface: "veth0", Links: []link{{Name: "veth0", Index: 2}}},
		"delay_queue":       {Way: both, Harm: harm{Delay: 50 * time.Millisecond}, Queue: &queue{Number: 4711, Way: both}},
		"delay_compat":      {Way: both, Harm: harm{Delay: 50 * time.Millisecond}, Queue: &queue{Number: 4711, Way: both, Compat: true}},
		"delay_in_loss_out": {Way: outbound, Harm: harm{Delay: 50 * time.Millisecond, Loss: 0.1}, Queue: &queue{Number: 4711, Way: inbound}},
		"netem": {Way: outbound, Netem: true, Interface: "veth0", Links: []link{{Name: "veth0", Index: 2}}, Harm: harm{
			Delay: 50 * time.Millisecond, Jitter: 5500 * time.Microsecond, Loss: 0.001, Rate: 10 << 20, Duplicate: 0.01, Corrupt: 0.001, Reorder: 0.25,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d.Mark, d.TTL = "00c0ffee00c0ffee", 69500*time.Millisecond
			var b strings.Builder
			for _, l := range d.Links {
				for _, args := range d.shapeCommands(l.Name) {
					b.WriteString("# tc " + strings.Join(args, " ") + "\n")
				}
				b.WriteString("# tc " + strings.Join(unshapeCommand(l.Name), " ") + "\n")
			}
			b.WriteString(d.ruleset())
			path := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReduce(t *testing.T) {
	p := func(prefix string, port uint16) peer { return peer{Prefix: netip.MustParsePrefix(prefix), Port: port} }
	for _, row := range []struct {
		name     string
		in, want []peer
	}{
		{"twice the same", []peer{p("10.9.0.2/32", 0), p("10.9.0.2/32", 0)}, []peer{p("10.9.0.2/32", 0)}},
		{"an address in a network", []peer{p("10.9.0.2/32", 0), p("10.9.0.0/16", 0)}, []peer{p("10.9.0.0/16", 0)}},
		{"a port of an address that is meant anyhow", []peer{p("10.9.0.2/32", 80), p("10.9.0.2/32", 0)}, []peer{p("10.9.0.2/32", 0)}},
		{"two ports", []peer{p("10.9.0.2/32", 443), p("10.9.0.2/32", 80)}, []peer{p("10.9.0.2/32", 80), p("10.9.0.2/32", 443)}},
		// A network's one port does not cover all of an address's ports.
		{"a network's port and an address", []peer{p("10.9.0.0/16", 80), p("10.9.0.2/32", 0)}, []peer{p("10.9.0.0/16", 80), p("10.9.0.2/32", 0)}},
		{"families apart", []peer{p("::/0", 0), p("0.0.0.0/0", 0)}, []peer{p("0.0.0.0/0", 0), p("::/0", 0)}},
	} {
		if diff := cmp.Diff(row.want, reduce(row.in), cmp.Comparer(func(a, b peer) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

// A receipt may have been through anything before its words become commands.
func TestRead(t *testing.T) {
	good := data{Mark: "00c0ffee00c0ffee", Namespace: namespace{Inode: 1}, Way: both, Links: []link{{Name: "veth0", Index: 2}}}
	for name, spoil := range map[string]func(*data){
		"":                               func(*data) {},
		"a mark that says more":          func(d *data) { d.Mark = "a; flush ruleset" },
		"no namespace":                   func(d *data) { d.Namespace = namespace{} },
		"no direction":                   func(d *data) { d.Way = "" },
		"a queue without one":            func(d *data) { d.Queue = &queue{Number: 7} },
		"an interface that says more":    func(d *data) { d.Interface = `"; flush ruleset; "` },
		"a link that is an option":       func(d *data) { d.Links = []link{{Name: "-b", Index: 1}} },
		"a link without an index":        func(d *data) { d.Links = []link{{Name: "veth0"}} },
		"a peer without an address":      func(d *data) { d.Peers = []peer{{}} },
		"a mark that is longer than one": func(d *data) { d.Mark += "0" },
	} {
		d := good
		spoil(&d)
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(chaos.Receipt{ID: "cut-1", Data: raw}); (err == nil) != (name == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseTable(t *testing.T) {
	text, err := os.ReadFile("testdata/table.json")
	if err != nil {
		t.Fatal(err)
	}
	state, err := parseTable(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]counter{
		"in_met": {Packets: 12, Bytes: 1008}, "in_lost": {Packets: 3, Bytes: 252}, "in_over": {},
	}
	if diff := cmp.Diff(want, state.counters); diff != "" {
		t.Error(diff)
	}
	if state.elements != 3 || state.age != 4*time.Second {
		t.Errorf("%d elements of age %s", state.elements, state.age)
	}
}

func TestParseTables(t *testing.T) {
	marks, err := parseTables([]byte(`{"nftables": [{"metainfo": {"version": "1.0.6"}},
		{"table": {"family": "inet", "name": "brunt_00c0ffee00c0ffee", "handle": 1}},
		{"table": {"family": "ip", "name": "brunt_11c0ffee00c0ffee", "handle": 2}},
		{"table": {"family": "inet", "name": "brunt_force", "handle": 3}},
		{"table": {"family": "inet", "name": "filter", "handle": 4}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"00c0ffee00c0ffee"}, marks); diff != "" {
		t.Error(diff)
	}
}

func TestParseQdiscs(t *testing.T) {
	text, err := os.ReadFile("testdata/qdiscs.json")
	if err != nil {
		t.Fatal(err)
	}
	all, err := parseQdiscs(text)
	if err != nil {
		t.Fatal(err)
	}
	root, ok := rootOf(all, "veth0")
	if !ok || !ourRoot(root) || root.Overlimits != 5 || root.standard() {
		t.Errorf("root of veth0: %+v, %t", root, ok)
	}
	leaf, ok := leafOf(all, "veth0")
	if !ok || leaf.Parent != "6272:c1" || leaf.Packets != 40 || leaf.Drops != 2 {
		t.Errorf("leaf of veth0: %+v, %t", leaf, ok)
	}
	if root, ok := rootOf(all, "lo"); !ok || !root.standard() || ourRoot(root) {
		t.Errorf("root of lo: %+v, %t", root, ok)
	}
	if _, ok := rootOf(all, "nope"); ok {
		t.Error("an interface that is not there has a root")
	}
	if all, err := parseQdiscs([]byte("\n")); err != nil || len(all) != 0 {
		t.Errorf("no qdisc at all: %v, %v", all, err)
	}
}

func TestParseClasses(t *testing.T) {
	text := "class htb 6272:c1 root leaf 6273: prio 0 rate 8388Kbit ceil 8388Kbit burst 16Kb cburst 16Kb \n" +
		"class htb 1:10 root prio 0 rate 1Mbit\nclass fq_codel 6272:1 parent 1:\n"
	if diff := cmp.Diff([]string{"6272:c1"}, parseClasses([]byte(text))); diff != "" {
		t.Error(diff)
	}
}

// The class is a number that HTB takes, whatever the mark.
func TestClass(t *testing.T) {
	for mark, want := range map[string]string{"0000": "6272:1", "00c0": "6272:c1", "fffc": "6272:fffd", "fffd": "6272:1", "ffff": "6272:3"} {
		if got := (data{Mark: mark + "ffee00c0ffee"}).class(); got != want {
			t.Errorf("class of %s: %s, want %s", mark, got, want)
		}
	}
}

// A line keeps the order and never lets a packet go early.
func TestLine(t *testing.T) {
	const ms = time.Millisecond
	l := newLine(orders{Delay: 50 * ms, Jitter: 20 * ms, Seed: 7}, 0)
	const n = 20_000
	for i := range uint32(n) {
		l.add(i, time.Duration(i)*ms)
	}
	var last time.Duration
	for i := range uint32(n) {
		goes, ok := l.next()
		w := l.take()
		came := time.Duration(i) * ms
		switch {
		case !ok || w.goes != goes || w.id != i || w.came != came:
			t.Fatalf("packet %d: %+v", i, w)
		case goes < last:
			t.Fatalf("packet %d leaves at %s, the one before at %s", i, goes, last)
		case goes < came+30*ms || goes > came+70*ms:
			t.Fatalf("packet %d came at %s and leaves at %s", i, came, goes)
		}
		last = goes
		if l.len() != n-int(i)-1 {
			t.Fatalf("%d wait after %d", l.len(), i)
		}
		l.add(n, time.Hour) // the ring turns over while packets come
		l.waiting = l.waiting[:len(l.waiting)-1]
	}
	if _, ok := l.next(); ok {
		t.Error("an empty line has a next")
	}
}

// The same seed gives the same jitter, and the two directions differ.
func TestLineSeed(t *testing.T) {
	goes := func(seed, stream uint64) (all []time.Duration) {
		l := newLine(orders{Delay: time.Second, Jitter: time.Second, Seed: seed}, stream)
		for i := range uint32(10) {
			l.add(i, time.Duration(i)*time.Hour)
			all = append(all, l.take().goes)
		}
		return all
	}
	if diff := cmp.Diff(goes(1, 0), goes(1, 0)); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(goes(1, 0), goes(1, 1)) || cmp.Equal(goes(1, 0), goes(2, 0)) {
		t.Error("other seeds or directions give the same jitter")
	}
}

func FuzzParsePeer(f *testing.F) {
	for _, text := range []string{"10.9.0.2", "10.9.0.0/16", "[fd00::1]:443", ":5432", "db.internal:5432", "::ffff:1.2.3.4", "fe80::1%eth0", "a;b", "]:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefixes, host, port, err := parsePeer(text)
		if err != nil {
			return
		}
		if (len(prefixes) == 0) == (host == "") {
			t.Fatalf("%q: %v and %q", text, prefixes, host)
		}
		for _, prefix := range prefixes {
			// What is accepted round-trips, and says nothing more in a ruleset.
			p := peer{Prefix: prefix, Port: port}
			again, _, port, err := parsePeer(p.String())
			if err != nil || len(again) != 1 || again[0] != prefix || port != p.Port {
				t.Fatalf("%q becomes %q, and that %v, %d, %v", text, p, again, port, err)
			}
			if strings.Trim(element(prefix), "0123456789abcdef.:/") != "" {
				t.Fatalf("%q becomes the element %q", text, element(prefix))
			}
		}
	})
}

func FuzzParseListings(f *testing.F) {
	for _, name := range []string{"table.json", "qdiscs.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"nftables":[{"set":{"elem":[1,{"elem":{"timeout":1e99}}]}},{"table":null}]}`))
	f.Add([]byte("class htb 6272:c1 root\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if marks, err := parseTables(text); err == nil {
			for _, mark := range marks {
				if !markForm.MatchString(mark) {
					t.Fatalf("mark %q", mark)
				}
			}
		}
		if state, err := parseTable(text); err == nil && state.elements < 0 {
			t.Fatal("fewer elements than none")
		}
		if all, err := parseQdiscs(text); err == nil {
			rootOf(all, "veth0")
			leafOf(all, "veth0")
		}
		parseClasses(text)
	})
}

// In brunt's own namespace a fault stays with the scenario's target.
func TestTarget(t *testing.T) {
	allow := func(address string) error {
		if strings.HasPrefix(address, "10.9.0.") || strings.HasPrefix(address, "db.internal") {
			return nil
		}
		return errors.New("outside the target")
	}
	for _, row := range []struct {
		config Config
		ok     bool
	}{
		{Config{Partition: true, To: []string{"10.9.0.2"}}, true},
		{Config{Partition: true, To: []string{"10.9.0.0/24:5432", "db.internal:5432"}}, true},
		// A network that is larger than the target.
		{Config{Partition: true, To: []string{"10.9.0.0/16"}}, false},
		{Config{Partition: true, To: []string{"10.9.0.2", "192.0.2.1"}}, false},
		// Everyone's port 443.
		{Config{Partition: true, To: []string{":443"}}, false},
		// A whole interface of this host.
		{Config{Partition: true, Interface: "eth0"}, false},
		// A namespace that the scenario names is its target.
		{Config{Partition: true, Netns: "payments"}, true},
	} {
		if _, err := New(row.config, chaos.Env{Fault: "cut", Allow: allow}); (err == nil) != row.ok {
			t.Errorf("%+v: %v", row.config, err)
		}
	}
}
