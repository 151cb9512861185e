package dns_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/dns"
	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// TestMain makes the test binary the hidden command too, because Start runs
// its own binary anew.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == dns.Command {
		os.Exit(dns.Main(os.Args[2:]))
	}
	// Under the race detector, each child would sleep for a second at its end.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	chaostest.Main(m, dns.Kind, dns.Mend)
}

// records are what the upstream of the tests knows.
var records = map[string]netip.Addr{
	"payments.svc.": netip.MustParseAddr("192.0.2.7"),
	"orders.svc.":   netip.MustParseAddr("192.0.2.8"),
}

// upstream is a resolver with the records, over UDP and TCP. It denies all
// other names.
func upstream(t testing.TB) string {
	t.Helper()
	var (
		udp *net.UDPConn
		tcp net.Listener
	)
	// The port that is free for UDP may be some TCP connection's.
	for tcp == nil {
		var err error
		if udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err != nil {
			_ = udp.Close()
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteToUDPAddrPort(truth(buffer[:n]), from)
		}
	})
	wg.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				if message, err := readFrame(conn); err == nil {
					_ = writeFrame(conn, truth(message))
				}
			})
		}
	})
	t.Cleanup(func() {
		_, _ = udp.Close(), tcp.Close()
		wg.Wait()
	})
	return udp.LocalAddr().String()
}

// truth answers a message.
func truth(message []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	question, err2 := p.Question()
	if err != nil || err2 != nil {
		return message[:min(len(message), 12)]
	}
	address, known := records[strings.ToLower(question.Name.String())]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: header.ID, Response: true}, Questions: []dnsmessage.Question{question}}
	switch {
	case !known:
		reply.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 300},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	packed, err := reply.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFrame(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

// query packs a plain question, as old stub resolvers ask it.
func query(name string, kind dnsmessage.Type) []byte {
	packed, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// ask asks over one transport and returns the whole answer.
func ask(t testing.TB, network, address, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	var answer []byte
	if network == "tcp" {
		if err = writeFrame(conn, query(name, kind)); err == nil {
			answer, err = readFrame(conn)
		}
	} else if _, err = conn.Write(query(name, kind)); err == nil {
		answer = make([]byte, 4096)
		var n int
		n, err = conn.Read(answer)
		answer = answer[:n]
	}
	if err != nil {
		t.Fatalf("ask for %s over %s: %v", name, network, err)
	}
	var message dnsmessage.Message
	if err := message.Unpack(answer); err != nil {
		t.Fatal(err)
	}
	if message.ID != 4711 || !message.Response {
		t.Errorf("asked for %s over %s, the answer has header %+v", name, network, message.Header)
	}
	return message
}

// brief is an answer in one line.
func brief(m dnsmessage.Message) string {
	text := strings.TrimPrefix(m.RCode.String(), "RCode")
	for _, a := range m.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			text += fmt.Sprintf(" %s ttl %d", netip.AddrFrom4(body.A), a.Header.TTL)
		case *dnsmessage.AAAAResource:
			text += fmt.Sprintf(" %s ttl %d", netip.AddrFrom16(body.AAAA), a.Header.TTL)
		}
	}
	for _, a := range m.Authorities {
		if soa, ok := a.Body.(*dnsmessage.SOAResource); ok {
			text += fmt.Sprintf(" soa ttl %d min %d", a.Header.TTL, soa.MinTTL)
		}
	}
	return text
}

// startResolver starts a resolver process in front of an upstream.
func startResolver(t testing.TB, upstream string) (p *middlebox.Process, file string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, files, err := dns.Start(t.Context(), exe, filepath.Join(t.TempDir(), "resolvers"),
		map[string]middlebox.Endpoint{"cluster": {Listen: "127.0.0.1:0", Upstream: upstream}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(bounded(t)); err != nil {
			t.Error(err)
		}
	})
	return p, files["cluster"]
}

func newFault(t testing.TB, c dns.Config, file string) chaos.Fault {
	t.Helper()
	c.On = "cluster"
	fault, err := dns.New(c, chaos.Env{Fault: "bad_names", Seed: 1, Resolvers: map[string]string{"cluster": file}})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

// rules is the resolver's own list.
func rules(t testing.TB, file string) string {
	t.Helper()
	control, err := dns.ReadControl(file)
	if err != nil {
		t.Fatal(err)
	}
	state, err := control.State(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range state.Rules {
		names = append(names, r.String())
	}
	return strings.Join(names, " ")
}

func TestContract(t *testing.T) {
	one := []string{"payments.svc"}
	for _, test := range []struct {
		name       string
		config     dns.Config
		oneProcess bool
	}{
		{name: "answer", config: dns.Config{Names: one, Answer: []string{"127.0.0.9", "::9"}}},
		{name: "answer IPv6 only", config: dns.Config{Names: one, Answer: []string{"::9"}}, oneProcess: true},
		{name: "nxdomain", config: dns.Config{Names: one, Fail: "nxdomain"}, oneProcess: true},
		{name: "nxdomain below a name", config: dns.Config{Names: []string{"*.svc"}, Fail: "nxdomain"}, oneProcess: true},
		{name: "servfail for all", config: dns.Config{Names: []string{"*"}, Fail: "servfail"}, oneProcess: true},
		{name: "refused", config: dns.Config{Names: one, Fail: "refused"}, oneProcess: true},
		{name: "no answer", config: dns.Config{Names: one, Fail: "no_answer"}, oneProcess: true},
		{name: "delay", config: dns.Config{Names: one, Delay: 60 * time.Millisecond, Jitter: 10 * time.Millisecond}, oneProcess: true},
		{name: "late lie", config: dns.Config{Names: one, Delay: 60 * time.Millisecond, Fail: "servfail"}, oneProcess: true},
		{name: "a share", config: dns.Config{Names: one, Fail: "servfail", Share: 0.3}, oneProcess: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: dns.Kind, Mend: dns.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					_, file := startResolver(t, upstream(t))
					return chaostest.Target{
						Fault: newFault(t, test.config, file),
						Look:  func(t *testing.T) string { return rules(t, file) },
					}
				},
			})
		})
	}
}

// What a target gets to see, over both transports: the lie, for how long caches
// may keep it, and the truth for all else.
func TestAnswers(t *testing.T) {
	const truthful = "Success 192.0.2.7 ttl 300"
	for _, test := range []struct {
		name   string
		config dns.Config
		asked  string
		kind   dnsmessage.Type
		want   string
	}{
		{"another address", dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9", "127.0.0.8"}}, "payments.svc.", dnsmessage.TypeA, "Success 127.0.0.9 ttl 0 127.0.0.8 ttl 0"},
		{"kept for a second", dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9"}, AnswerTTL: time.Second}, "payments.svc.", dnsmessage.TypeA, "Success 127.0.0.9 ttl 1"},
		{"names have no case", dns.Config{Names: []string{"Payments.svc."}, Answer: []string{"127.0.0.9"}}, "pAyments.SVC.", dnsmessage.TypeA, "Success 127.0.0.9 ttl 0"},
		{"the other family has none", dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9"}}, "payments.svc.", dnsmessage.TypeAAAA, "Success soa ttl 0 min 0"},
		{"no way around by service bindings", dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9"}}, "payments.svc.", dnsmessage.TypeHTTPS, "Success soa ttl 0 min 0"},
		{"other questions get the truth", dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9"}}, "payments.svc.", dnsmessage.TypeTXT, "Success"},
		{"no such name", dns.Config{Names: []string{"*.svc"}, Fail: "nxdomain"}, "payments.svc.", dnsmessage.TypeA, "NameError soa ttl 0 min 0"},
		{"every question fails", dns.Config{Names: []string{"*.svc"}, Fail: "servfail"}, "payments.svc.", dnsmessage.TypeTXT, "ServerFailure"},
		{"refused", dns.Config{Names: []string{"*"}, Fail: "refused"}, "payments.svc.", dnsmessage.TypeA, "Refused"},
		{"another name", dns.Config{Names: []string{"orders.svc"}, Fail: "refused"}, "payments.svc.", dnsmessage.TypeA, truthful},
		{"a suffix is not below itself", dns.Config{Names: []string{"*.payments.svc"}, Fail: "refused"}, "payments.svc.", dnsmessage.TypeA, truthful},
		{"late, but true", dns.Config{Names: []string{"payments.svc"}, Delay: time.Millisecond}, "payments.svc.", dnsmessage.TypeA, truthful},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, file := startResolver(t, upstream(t))
			fault := newFault(t, test.config, file)
			receipt, err := fault.Prepare(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Inject(bounded(t), receipt); err != nil {
				t.Fatal(err)
			}
			for _, network := range []string{"udp", "tcp"} {
				if got := brief(ask(t, network, p.Address("cluster"), test.asked, test.kind)); got != test.want {
					t.Errorf("over %s: %q, want %q", network, got, test.want)
				}
			}
			if err := fault.Undo(bounded(t), receipt); err != nil {
				t.Fatal(err)
			}
			for _, network := range []string{"udp", "tcp"} {
				if got := brief(ask(t, network, p.Address("cluster"), "payments.svc.", dnsmessage.TypeA)); got != truthful {
					t.Errorf("after the undo, over %s: %q", network, got)
				}
			}
		})
	}
}

// An undo lets go of the queries that a delay holds up.
func TestUndoReleases(t *testing.T) {
	p, file := startResolver(t, upstream(t))
	fault := newFault(t, dns.Config{Names: []string{"*"}, Delay: time.Hour}, file)
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	answered := make(chan string)
	go func() { answered <- brief(ask(t, "tcp", p.Address("cluster"), "orders.svc.", dnsmessage.TypeA)) }()
	if err := fault.Undo(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != "Success 192.0.2.8 ttl 300" {
		t.Errorf("the held-up query got %q", got)
	}
}

// Two faults must not lie about the same name, whichever way they name it.
func TestTaken(t *testing.T) {
	_, file := startResolver(t, upstream(t))
	first := newFault(t, dns.Config{Names: []string{"*.svc"}, Fail: "refused"}, file)
	second := newFault(t, dns.Config{Names: []string{"payments.svc"}, Fail: "servfail"}, file)
	late, err := second.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := first.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Prepare(bounded(t)); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("prepare: %v, want a conflict", err)
	}
	if err := second.Inject(bounded(t), late); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("inject: %v, want a conflict", err)
	}
	if err := second.Undo(bounded(t), late); err != nil {
		t.Errorf("undo: %v", err)
	}
	if got := rules(t, file); got != "*.svc" {
		t.Errorf("after the second's undo the first has %q", got)
	}
}

// Where the truth is no better than the lie, there is no evidence.
func TestNoEvidence(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = silent.Close() // nobody is there
	for _, test := range []struct {
		name     string
		upstream string
		config   dns.Config
	}{
		{"no such name anyway", upstream(t), dns.Config{Names: []string{"nowhere.svc"}, Fail: "nxdomain"}},
		{"the same address", upstream(t), dns.Config{Names: []string{"payments.svc"}, Answer: []string{"192.0.2.7"}}},
		{"the upstream is away", silent.LocalAddr().String(), dns.Config{Names: []string{"payments.svc"}, Fail: "servfail"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, file := startResolver(t, test.upstream)
			fault := newFault(t, test.config, file)
			receipt, err := fault.Prepare(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Inject(bounded(t), receipt); err != nil {
				t.Fatal(err)
			}
			if state, err := fault.Verify(bounded(t), receipt); !errors.Is(err, chaos.ErrNoEvidence) {
				t.Errorf("verify: %q, %v", state, err)
			}
			if err := fault.Undo(bounded(t), receipt); err != nil {
				t.Fatal(err)
			}
			if state, err := fault.Verify(bounded(t), receipt); state != chaos.Gone {
				t.Errorf("verify after undo: %q, %v", state, err)
			}
		})
	}
}

// A resolver that has ended took its rules with it.
func TestResolverGone(t *testing.T) {
	p, file := startResolver(t, upstream(t))
	fault := newFault(t, dns.Config{Names: []string{"*"}, Fail: "refused"}, file)
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control file is left: %v", err)
	}
	if err := fault.Undo(bounded(t), receipt); err != nil {
		t.Errorf("undo: %v", err)
	}
	if state, err := fault.Verify(bounded(t), receipt); state != chaos.Gone {
		t.Errorf("verify: %s, %v", state, err)
	}
}

// Measure counts what real queries met, and brunt's own apart from them.
func TestMeasure(t *testing.T) {
	for _, test := range []struct {
		config dns.Config
		want   string // its beginning
	}{
		{dns.Config{Names: []string{"payments.svc"}, Fail: "servfail"}, "3 queries got a forged answer"},
		{dns.Config{Names: []string{"payments.svc"}, Answer: []string{"127.0.0.9"}, Delay: time.Millisecond}, "3 queries got a forged answer; 3 queries were held up for "},
		{dns.Config{Names: []string{"payments.svc"}, Delay: time.Millisecond}, "3 queries were held up for "},
	} {
		p, file := startResolver(t, upstream(t))
		fault := newFault(t, test.config, file)
		receipt, err := fault.Prepare(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := fault.Inject(bounded(t), receipt); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ask(t, "udp", p.Address("cluster"), "payments.svc.", dnsmessage.TypeA)
		}
		if _, err := chaos.Await(bounded(t), fault, receipt, chaos.Active); err != nil {
			t.Errorf("verify: %v", err)
		}
		if got, err := fault.(chaos.Measurer).Measure(bounded(t), receipt); err != nil || !strings.HasPrefix(got, test.want) {
			t.Errorf("measure: %q, %v; want %q…", got, err, test.want)
		}
	}
}

func TestStartFails(t *testing.T) {
	defer goleak.VerifyNone(t)
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]middlebox.Endpoint{"a": {Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"}}
	for name, test := range map[string]struct {
		exe       string
		resolvers map[string]middlebox.Endpoint
		want      string
	}{
		"none":            {exe, nil, "there are none"},
		"address in use":  {exe, map[string]middlebox.Endpoint{"a": {Listen: taken.LocalAddr().String(), Upstream: "127.0.0.1:1"}}, "address already in use"},
		"all addresses":   {exe, map[string]middlebox.Endpoint{"a": {Listen: "0.0.0.0:0", Upstream: "127.0.0.1:1"}}, "give one address"},
		"no address":      {exe, map[string]middlebox.Endpoint{"a": {Listen: "localhost:53", Upstream: "127.0.0.1:1"}}, "no IP address and port"},
		"no such binary":  {exe + ".not", good, "no such file"},
		"another program": {"/bin/true", good, "start resolvers"},
	} {
		if _, _, err := dns.Start(t.Context(), test.exe, t.TempDir(), test.resolvers); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestConfig(t *testing.T) {
	one := []string{"a.b"}
	for _, test := range []struct {
		config dns.Config
		what   string
		err    string // part of New's error
	}{
		{config: dns.Config{On: "cluster", Names: one, Fail: "no_answer"}, what: "no answer for a.b on cluster"},
		{config: dns.Config{On: "cluster", Names: []string{"a.b", "*.c"}, Answer: []string{"::1"}, Delay: time.Second, Jitter: time.Millisecond}, what: "answer ::1 and delay 1s ±1ms for a.b, *.c on cluster"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "refused", Share: 0.125}, what: "refused for a.b on cluster, for 12.5% of queries"},
		{config: dns.Config{On: "cluster", Names: one}, what: " for a.b on cluster", err: "nothing is to be done"},
		{config: dns.Config{On: "cluster", Fail: "refused"}, what: "refused for  on cluster", err: "names: no name is given"},
		{config: dns.Config{On: "cluster", Names: []string{"a b"}, Fail: "refused"}, what: "refused for a b on cluster", err: `"a b" is no name`},
		{config: dns.Config{On: "cluster", Names: []string{"*.*"}, Fail: "refused"}, what: "refused for *.* on cluster", err: "is no name"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "refused", Answer: []string{"::1"}}, what: "answer ::1 and refused for a.b on cluster", err: "cannot both fail and be answered"},
		{config: dns.Config{On: "cluster", Names: one, Answer: []string{"c.d"}}, what: "answer c.d for a.b on cluster", err: `"c.d" is no IP address`},
		{config: dns.Config{On: "cluster", Names: one, Answer: slices.Repeat([]string{"::1"}, 9)}, what: "answer " + strings.Repeat("::1, ", 8) + "::1 for a.b on cluster", err: "do not fit"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "gone"}, what: "gone for a.b on cluster", err: "no way to fail"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "no_answer", Delay: 1}, what: "no answer and delay 1ns for a.b on cluster", err: "never answered"},
		{config: dns.Config{On: "cluster", Names: one, Delay: 1, Jitter: 2}, what: "delay 1ns ±2ns for a.b on cluster", err: "jitter"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "refused", AnswerTTL: time.Minute}, what: "refused for a.b on cluster", err: "caches"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "refused", TTL: -1}, what: "refused for a.b on cluster", err: "ttl: it is negative"},
		{config: dns.Config{On: "cluster", Names: one, Fail: "refused", Share: 2}, what: "refused for a.b on cluster", err: "share"},
		{config: dns.Config{On: "clutser", Names: one, Fail: "refused"}, what: "refused for a.b on clutser", err: "there are cluster"},
	} {
		_, err := dns.New(test.config, chaos.Env{Fault: "x", Resolvers: map[string]string{"cluster": ""}})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("New(%+v): error %v, want %q", test.config, err, test.err)
		}
		if got := dns.What(test.config); got != test.what {
			t.Errorf("What = %q, want %q", got, test.what)
		}
		if dns.OneShot(test.config) {
			t.Errorf("OneShot(%+v)", test.config)
		}
	}
}

// The system's own stub resolver gets along with the answers.
func TestStubResolver(t *testing.T) {
	p, file := startResolver(t, upstream(t))
	stub := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.Address("cluster"))
	}}
	fault := newFault(t, dns.Config{Names: []string{"payments.svc"}, Fail: "nxdomain"}, file)
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	_, err = stub.LookupHost(bounded(t), "payments.svc.")
	if problem := (*net.DNSError)(nil); !errors.As(err, &problem) || !problem.IsNotFound {
		t.Errorf("lookup under nxdomain: %v", err)
	}
	if err := fault.Undo(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if got, err := stub.LookupHost(bounded(t), "payments.svc."); err != nil || !slices.Equal(got, []string{"192.0.2.7"}) {
		t.Errorf("lookup after the undo: %v, %v", got, err)
	}
}
