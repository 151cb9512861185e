//go:build linux

package lane

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers each request on each connection with what answer returns for
// the n-th request of the server and the k-th of the connection; an empty
// answer closes the connection, "hang" says nothing more.
func serve(t *testing.T, answer func(n, k int) string) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	var requests atomic.Int64
	done := make(chan struct{})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for k := 0; ; k++ {
					if !readRequest(r) {
						return
					}
					text := answer(int(requests.Add(1)-1), k)
					if rest, hangs := strings.CutSuffix(text, "hang"); hangs {
						_, _ = io.WriteString(conn, rest)
						<-done
						return
					}
					if rest, resets := strings.CutSuffix(text, "reset"); resets {
						_, _ = io.WriteString(conn, rest)
						_ = conn.(*net.TCPConn).SetLinger(0)
						return
					}
					rest, closes := strings.CutSuffix(text, "close")
					if _, err := io.WriteString(conn, rest); err != nil || closes || text == "" {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		close(done)
		_ = listener.Close()
		serving.Wait()
	})
	return netip.MustParseAddrPort(listener.Addr().String())
}

// readRequest reads up to the empty line.
func readRequest(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == "\r\n" {
			return true
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func config(to netip.AddrPort) Config {
	return Config{
		Addresses: []netip.AddrPort{to}, Request: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Idempotent: true,
		Timeout: 5 * time.Second, MaxBody: 1 << 20, Accept: func(status int) bool { return status < 400 },
	}
}

// evenly yields n arrivals, one every gap.
func evenly(n int, gap time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for i := range n {
			if !yield(time.Duration(i) * gap) {
				return
			}
		}
	}
}

func newRun() generators.LoopRun {
	return generators.LoopRun{
		Origin: time.Now(), MaxSessions: 100, Patience: 5 * time.Second,
		Stop: new(atomic.Bool), Hurry: new(atomic.Bool),
		Stats: &generators.LoopStats{Lag: func(time.Duration) {}},
	}
}

// collect plays a run and returns every operation.
func collect(t *testing.T, c Config, r generators.LoopRun) []generators.LoopOp {
	t.Helper()
	var ops []generators.LoopOp
	r.Record = func(op *generators.LoopOp) { ops = append(ops, *op) }
	if err := Loop(c)(r); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats; s.InFlight.Load() != 0 || s.Waiting.Load() != 0 || s.Sessions.Load() != 0 {
		t.Errorf("left over: %d in flight, %d waiting, %d sessions", s.InFlight.Load(), s.Waiting.Load(), s.Sessions.Load())
	}
	for _, op := range ops {
		if op.Started >= 0 && (op.Started < op.Due || op.Ended < op.Started) {
			t.Errorf("stamps out of order: %+v", op)
		}
	}
	return ops
}

func classes(ops []generators.LoopOp) map[generators.Class]int {
	n := map[generators.Class]int{}
	for _, op := range ops {
		n[op.Class]++
	}
	return n
}

func TestOpenModel(t *testing.T) {
	for _, precision := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond} {
		to := serve(t, func(int, int) string { return ok })
		r := newRun()
		r.Arrivals = evenly(2000, 100*time.Microsecond)
		c := config(to)
		c.Precision = precision
		ops := collect(t, c, r)
		if got := classes(ops); got[generators.OK] != 2000 || len(ops) != 2000 || r.Stats.Offered.Load() != 2000 {
			t.Errorf("precision %v: %v of %d offered", precision, got, r.Stats.Offered.Load())
		}
		seen := map[time.Duration]bool{}
		for _, op := range ops {
			seen[op.Due] = true
			if op.Status != 200 || op.BytesIn != int64(len(ok)) || op.FirstByte <= 0 {
				t.Fatalf("operation %+v", op)
			}
		}
		if len(seen) != 2000 {
			t.Errorf("precision %v: %d due times", precision, len(seen))
		}
	}
}

func TestClosedModel(t *testing.T) {
	var conns sync.Map
	to := serve(t, func(_, k int) string { conns.Store(k, true); return ok })
	r := newRun()
	r.End = 200 * time.Millisecond
	r.Users = func(time.Duration) int { return 7 }
	var most int64
	record := func(op *generators.LoopOp) { most = max(most, r.Stats.Sessions.Load()) }
	r.Record = record
	if err := Loop(config(to))(r); err != nil {
		t.Fatal(err)
	}
	if most != 7 {
		t.Errorf("%d sessions for 7 users", most)
	}
}

// Arrivals that the lane comes to late wait for a connection to come free; but
// when the target says nothing they go out on others.
func TestLateArrivalsPassOneThatHangs(t *testing.T) {
	to := serve(t, func(n, _ int) string {
		if n == 0 {
			return "hang"
		}
		return ok
	})
	r := newRun()
	r.Origin = r.Origin.Add(-time.Second)
	r.Arrivals = evenly(20, time.Millisecond)
	c := config(to)
	c.Timeout = 2 * time.Second
	ops := collect(t, c, r)
	if got := classes(ops); got[generators.OK] != 19 || got[generators.Timeout] != 1 {
		t.Errorf("%v", got)
	}
	for _, op := range ops {
		if op.Class == generators.OK && op.Started > ops[len(ops)-1].Ended-c.Timeout/2 {
			t.Errorf("an arrival waited for the one that hangs: %+v", op)
		}
	}
}

// More users than connections: they take turns, and none is lost.
func TestUsersShareConnections(t *testing.T) {
	to := serve(t, func(int, int) string { return ok })
	r := newRun()
	r.End = 200 * time.Millisecond
	r.Users = func(time.Duration) int { return 20 }
	r.MaxSessions = 3
	ops := collect(t, config(to), r)
	if got := classes(ops); got[generators.OK] != len(ops) || len(ops) < 20 || r.Stats.Offered.Load() != int64(len(ops)) {
		t.Errorf("%v of %d offered", got, r.Stats.Offered.Load())
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		class  generators.Class
		text   string
	}{
		{"unaccepted status", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", generators.Status, "status 503"},
		{"closed without an answer", "", generators.Reset, "before any answer"},
		{"closed in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nclose", generators.Reset, "in the middle"},
		{"reset", "reset", generators.Reset, "reset"},
		{"reset in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcreset", generators.Reset, "reset"},
		{"garbage", "220 mail ready\r\nclose", generators.Protocol, "no HTTP/1 status line"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", generators.Protocol, "two content lengths"},
		{"chunk size of 2^63", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n", generators.Protocol, "chunk size"},
		{"header without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxHeader) + "hang", generators.Protocol, "header over"},
		{"body over the limit", "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 1<<21), generators.Protocol, "body over"},
		{"says nothing", "hang", generators.Timeout, "no whole answer within 100ms"},
		{"never ends the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabchang", generators.Timeout, "no whole answer within 100ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			to := serve(t, func(int, int) string { return test.answer })
			r := newRun()
			r.Arrivals = evenly(3, 0)
			c := config(to)
			if test.class == generators.Timeout {
				c.Timeout = 100 * time.Millisecond
			}
			ops := collect(t, c, r)
			if len(ops) != 3 {
				t.Fatalf("%d operations for 3 arrivals", len(ops))
			}
			for _, op := range ops {
				if op.Class != test.class || op.Err == nil || !strings.Contains(op.Err.Error(), test.text) {
					t.Errorf("class %s: %v; want %s: …%s…", op.Class, op.Err, test.class, test.text)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	r := newRun()
	r.Arrivals = evenly(5, time.Millisecond)
	if got := classes(collect(t, config(to), r)); got[generators.Refused] != 5 {
		t.Errorf("%v", got)
	}
}

// Nobody gets a connection in the closed model: users try again at the pace of
// the plan, not as fast as the processor goes.
func TestRefusedUsers(t *testing.T) {
	r := newRun()
	r.End = 100 * time.Millisecond
	r.Users = func(time.Duration) int { return 2 }
	ops := collect(t, config(netip.MustParseAddrPort("127.0.0.1:1")), r)
	if got := classes(ops); got[generators.Refused] != len(ops) || len(ops) < 2 || len(ops) > 20 {
		t.Errorf("%v", got)
	}
}

// Bytes after an answer are nobody's answer: the connection is not used again.
func TestOutOfStepConnectionIsClosed(t *testing.T) {
	to := serve(t, func(n, _ int) string { return ok + "HTTP/1.1 500 Stray\r\nContent-Length: 0\r\n\r\n" })
	r := newRun()
	r.Arrivals = evenly(20, time.Millisecond)
	for _, op := range collect(t, config(to), r) {
		if op.Class != generators.OK || op.Status != 200 {
			t.Errorf("%+v took a stray answer", op)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	var most atomic.Int64
	to := serve(t, func(_, k int) string { most.Store(max(most.Load(), int64(k+1))); return ok })
	r := newRun()
	r.Arrivals = evenly(50, time.Millisecond)
	c := config(to)
	c.MaxRequests = 5
	collect(t, c, r)
	if most.Load() != 5 {
		t.Errorf("a connection took %d requests, want at most 5", most.Load())
	}
}

// One connection and a target that hangs: what waits past its patience is
// dropped and counted.
func TestPatience(t *testing.T) {
	to := serve(t, func(int, int) string { return "hang" })
	r := newRun()
	r.MaxSessions, r.Patience = 1, 50*time.Millisecond
	r.Arrivals = evenly(10, time.Millisecond)
	c := config(to)
	c.Timeout = 300 * time.Millisecond
	got := classes(collect(t, c, r))
	if got[generators.Timeout] != 1 || got[generators.Dropped] != 9 {
		t.Errorf("%v, want 1 timeout and 9 dropped", got)
	}
}

// New connections come from the source addresses and go to the target's in
// turn; a source that is not this machine's, or of the other IP version alone,
// is brunt's own failure.
func TestSourcesAndAddresses(t *testing.T) {
	var mu sync.Mutex
	from, to := map[string]int{}, map[netip.AddrPort]int{}
	var addresses []netip.AddrPort
	for range 2 {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			mu.Lock()
			defer mu.Unlock()
			from[host]++
			to[netip.MustParseAddrPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())]++
		}))
		t.Cleanup(server.Close)
		addresses = append(addresses, netip.MustParseAddrPort(server.Listener.Addr().String()))
	}
	c := config(addresses[0])
	c.Addresses, c.MaxRequests = addresses, 1
	run := func(sources ...string) map[generators.Class]int {
		c.Sources = nil
		for _, s := range sources {
			c.Sources = append(c.Sources, netip.MustParseAddr(s))
		}
		r := newRun()
		r.Arrivals = evenly(12, 0)
		return classes(collect(t, c, r))
	}
	// IPv6 addresses cannot reach IPv4 ones: they are passed over.
	if got := run("127.0.0.2", "::1", "127.0.0.3"); got[generators.OK] != 12 {
		t.Fatalf("%v", got)
	}
	mu.Lock()
	if from["127.0.0.2"] != 6 || from["127.0.0.3"] != 6 || to[addresses[0]] != 6 || to[addresses[1]] != 6 {
		t.Errorf("connections from %v, to %v", from, to)
	}
	mu.Unlock()
	for _, source := range []string{"192.0.2.1", "::1"} {
		if got := run(source); got[generators.Local] != 12 {
			t.Errorf("from %s: %v", source, got)
		}
	}
}

// A lane that comes to an arrival later than its patience drops it, and falls
// no further behind.
func TestLateArrivalsAreDropped(t *testing.T) {
	to := serve(t, func(int, int) string { return ok })
	r := newRun()
	r.Origin = r.Origin.Add(-time.Hour)
	r.Arrivals = func(yield func(time.Duration) bool) {
		for _, due := range []time.Duration{0, time.Minute, time.Hour, time.Hour + time.Millisecond} {
			if !yield(due) {
				return
			}
		}
	}
	r.Patience = time.Minute
	got := classes(collect(t, config(to), r))
	if got[generators.Dropped] != 2 || got[generators.OK] != 2 || r.Stats.Offered.Load() != 4 || r.Stats.Sent.Load() != 2 {
		t.Errorf("%v, %d offered, %d sent", got, r.Stats.Offered.Load(), r.Stats.Sent.Load())
	}
}

func TestStopAndHurry(t *testing.T) {
	to := serve(t, func(int, int) string { return "hang" })
	r := newRun()
	r.MaxSessions = 2
	r.Arrivals = func(yield func(time.Duration) bool) {
		for i := range 1000 {
			if i == 10 {
				r.Stop.Store(true)
				r.Hurry.Store(true)
			}
			if !yield(time.Duration(i) * time.Millisecond) {
				return
			}
		}
		t.Error("arrivals went on after the stop")
	}
	ops := collect(t, config(to), r)
	if got := classes(ops); got[generators.Canceled] != len(ops) || int64(len(ops)) != r.Stats.Offered.Load() {
		t.Errorf("%v of %d offered, want each canceled", got, r.Stats.Offered.Load())
	}
}

// A large request that the socket does not take at once.
func TestLargeRequest(t *testing.T) {
	const length = 8 << 20
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for readRequest(r) {
			if n, err := io.CopyN(io.Discard, r, length); err != nil {
				t.Errorf("%d bytes of the body came: %v", n, err)
				return
			}
			if _, err := io.WriteString(conn, ok); err != nil {
				return
			}
		}
	})
	r := newRun()
	r.MaxSessions = 1
	r.Arrivals = evenly(3, time.Millisecond)
	c := config(netip.MustParseAddrPort(listener.Addr().String()))
	c.Request = []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, strings.Repeat("x", length)))
	ops := collect(t, c, r)
	if got := classes(ops); got[generators.OK] != 3 {
		t.Errorf("%v %v", got, ops[0].Err)
	}
	serving.Wait()
}

// An early answer, before the request has been sent whole: the answer counts,
// and the connection is out of step.
func TestEarlyAnswer(t *testing.T) {
	to := serve(t, func(int, int) string { return "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n" })
	r := newRun()
	r.MaxSessions = 1
	r.Arrivals = evenly(2, time.Millisecond)
	c := config(to)
	const length = 32 << 20
	c.Request = []byte(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, strings.Repeat("x\r\n\r\n", length/5)))
	for _, op := range collect(t, c, r) {
		if op.Class != generators.Status || op.Status != 413 {
			t.Errorf("class %s status %d: %v", op.Class, op.Status, op.Err)
		}
	}
}

// Arrivals that come late wait for a connection to come free; where none does,
// since the target stalls, each gets one of its own all the same, in the middle
// of the plan and after its end.
func TestLateArrivalsGetConnectionsWhenTheTargetStalls(t *testing.T) {
	release := make(chan struct{})
	var asked atomic.Int64
	to := serve(t, func(int, int) string {
		if asked.Add(1) == 40 {
			close(release)
		}
		<-release
		return ok
	})
	r := newRun()
	r.Origin = time.Now().Add(-2 * time.Second) // the first thirty are late
	r.Arrivals = func(yield func(time.Duration) bool) {
		for i := range 40 {
			due := time.Duration(0)
			if i >= 30 {
				due = time.Since(r.Origin) + 5*time.Millisecond
			}
			if !yield(due) {
				return
			}
		}
	}
	c := config(to)
	c.Timeout = time.Minute
	ops := collect(t, c, r)
	for _, op := range ops {
		if op.Class != generators.OK {
			t.Fatalf("class %s: %v", op.Class, op.Err)
		}
	}
	if len(ops) != 40 {
		t.Errorf("%d operations, want 40", len(ops))
	}
}

func BenchmarkLoop(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffer, answer := make([]byte, 4096), []byte(ok)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	})
	r := newRun()
	r.MaxSessions = 1
	r.Record = func(*generators.LoopOp) {}
	r.Arrivals = evenly(b.N, 0)
	r.Patience = time.Hour
	b.ReportAllocs()
	b.ResetTimer()
	if err := Loop(config(netip.MustParseAddrPort(listener.Addr().String())))(r); err != nil {
		b.Fatal(err)
	}
}

// What waits only because the lane is behind counts as its lag when it goes out
// or is dropped; what waits for one of so many connections does not.
func TestWaitsOfALaneThatIsBehindAreLag(t *testing.T) {
	to := serve(t, func(int, int) string { return ok })
	for _, test := range []struct {
		name     string
		arrivals int
		sessions int
		patience time.Duration
		again    bool
	}{
		{"behind", 500, 1000, 5 * time.Second, true},
		{"behind, and out of patience", 500, 1000, 11 * time.Millisecond, true},
		{"one connection", 50, 1, 5 * time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRun()
			r.Origin = r.Origin.Add(-10 * time.Millisecond) // all are late
			r.MaxSessions, r.Patience = test.sessions, test.patience
			r.Arrivals = evenly(test.arrivals, 0)
			calls, most := 0, time.Duration(0)
			r.Stats.Lag = func(lag time.Duration) { calls, most = calls+1, max(most, lag) }
			waited := time.Duration(0)
			for _, op := range collect(t, config(to), r) {
				if op.Started >= 0 {
					waited = max(waited, op.Started-op.Due)
				}
			}
			// The first finds no connection at all.
			if again := calls > test.arrivals+1; again != test.again || again && most < waited {
				t.Errorf("%d lags for %d arrivals, %s at the most; the longest wait was %s", calls, test.arrivals, most, waited)
			}
		})
	}
}

// A lane that waits for a target has the time to send it more, also while answers
// keep coming: however many must be in flight for the rate, it gets there.
func TestLateArrivalsGetConnectionsWhileAnswersCome(t *testing.T) {
	to := serve(t, func(int, int) string { return "hang" })
	r := newRun()
	r.Patience = time.Hour
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(epoll)
	l := &lane{Config: config(to), run: r, epoll: epoll, conns: make([]*conn, 1)}
	l.reader.init(true)
	defer l.closeAll()
	// A clock stands for the answers: something happens after every millisecond,
	// in a slot where there is no connection.
	clock, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(clock)
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, clock, &unix.EpollEvent{Events: unix.EPOLLIN | epollET, Pad: -1}); err != nil {
		t.Fatal(err)
	}
	const late = 50
	for range late {
		l.offer(l.now())
	}
	for i := 0; l.flightN < late; i++ {
		if i == 10_000 {
			t.Fatalf("%d of %d arrivals are in flight", l.flightN, late)
		}
		if err := unix.TimerfdSettime(clock, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(time.Millisecond))}, nil); err != nil {
			t.Fatal(err)
		}
		l.pollShort(l.now(), nap)
	}
}
