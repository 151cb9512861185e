package engine

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Connections of our own are found, by the address they go to; those that we
// took in are not counted for the port that they came to, whatever it is.
func TestPortsInUse(t *testing.T) {
	low, high, ok := localPorts()
	if !ok {
		t.Fatal("the kernel does not say which ports it hands out")
	}
	// Two listeners, at ports out of that very range.
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	busy, quiet := listen(), listen()
	dial := func(l net.Listener) {
		for _, dialed := range []bool{true, false} {
			var c net.Conn
			var err error
			if dialed {
				c, err = net.Dial("tcp", l.Addr().String())
			} else {
				c, err = l.Accept()
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	count := func() map[addressPair]int {
		counts := map[addressPair]int{}
		if err := eachSocket(unix.IPPROTO_TCP, holdingPort, func(s socket) { counts[addressPair{s.from, s.to}]++ }); err != nil {
			t.Fatal(err)
		}
		return counts
	}
	to := func(l net.Listener) addressPair {
		return addressPair{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort(l.Addr().String())}
	}
	// The ports may have been another's, whose connections linger.
	before := count()
	const many = 40
	dial(quiet)
	for range many {
		dial(busy)
	}
	after := count()
	for l, want := range map[net.Listener]int{busy: many, quiet: 1} {
		if got := after[to(l)] - before[to(l)]; got != want {
			t.Errorf("%d sockets to %s, want %d", got, l.Addr(), want)
		}
	}
	pair, n, err := busiestPair(low, high)
	if err != nil {
		t.Fatal(err)
	}
	// Others on this machine may use more.
	if n < many || n == many && pair.to.String() != busy.Addr().String() {
		t.Errorf("the most are %d to %s, want at least %d to %s", n, pair.to, many, busy.Addr())
	}

	var w portWatch
	now := time.Now()
	if count, to, limit := w.look(now); count < many || to == "" || limit != int(high)-int(low)+1 {
		t.Errorf("look: %d to %q of %d", count, to, limit)
	}
	if !w.next.After(w.soon) || !w.soon.After(now) {
		t.Error("the next look does not wait")
	}
	// Until then the count stays, unless there are many more sockets.
	w.count, w.soon, w.next = 0, now, now.Add(time.Hour)
	w.sockets += 1000 // and not a thousand fewer that others close meanwhile
	if count, _, _ := w.look(now); count != 0 {
		t.Errorf("%d ports were counted before it was time", count)
	}
	w.sockets -= 1000 + w.limit/grown
	if count, _, _ := w.look(now); count < many {
		t.Errorf("%d ports were counted when there were many more", count)
	}
}

// Those of UDP are found as well.
func TestUDPPortsInUse(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	const many = 30
	for range many {
		c, err := net.Dial("udp", server.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	n := 0
	err = eachSocket(unix.IPPROTO_UDP, connected, func(s socket) {
		if s.to.String() == server.LocalAddr().String() {
			n++
		}
	})
	if err != nil || n != many {
		t.Errorf("%d sockets to the server, want %d: %v", n, many, err)
	}
	if _, most, err := busiestPair(1, 65535); err != nil || most < many {
		t.Errorf("the most are %d, want at least %d: %v", most, many, err)
	}
}

// A segment that is sent again is seen: the kernel repeats its request for a
// connection when the listener's queue is full.
func TestRetransmitsAreSeen(t *testing.T) {
	before := readTCPCounters()
	// A backlog of none takes one connection; nobody accepts it.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := *name.(*unix.SockaddrInet4)
	for range 4 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(c) })
		_ = unix.Connect(c, &to) // in progress, for ever
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now := readTCPCounters()
		if now.synRetransmits > before.synRetransmits && now.retransmits > before.retransmits && now.listenOverflows > before.listenOverflows {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("counted %+v before and %+v after connections were turned away", before, now)
		}
	}
}

func TestCounters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "snmp")
	text := "Ip: Forwarding\nIp: 2\nTcp: RtoMin RetransSegs Odd\nTcp: 200 17 x\nUdp: RetransSegs\nUdp: 9\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// In the order asked for; -1 for a field that is not there or no number.
	got := kernelCounts(file, "Tcp:", "RetransSegs", "Missing", "RtoMin", "Odd")
	if got[0] != 17 || got[1] != -1 || got[2] != 200 || got[3] != -1 {
		t.Errorf("counts %v", got)
	}
	if got := kernelCounts(file+".not", "Tcp:", "RetransSegs"); got[0] != -1 {
		t.Errorf("counters of no file: %v", got)
	}
	if since(-1, 5) != -1 || since(7, 5) != 2 || since(7, -1) != 7 || since(3, 5) != 0 {
		t.Error("what a counter grew by")
	}
}

// The thread that works is the busiest.
func TestBusiestThread(t *testing.T) {
	var w systemWatch
	w.busiestThread(time.Second)
	start := time.Now()
	used := func() time.Duration {
		var usage unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	for before := used(); used() < before+50*time.Millisecond; {
		continue // works
	}
	if got := w.busiestThread(time.Since(start)); got <= 0 || got > 1.5 {
		t.Errorf("the busiest thread used %g cores", got)
	}
}

// Files that are open are counted.
func TestOpenFiles(t *testing.T) {
	const many = 50
	before := openFiles(1000)
	for range many {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
	}
	if got := openFiles(1000) - before; got != many {
		t.Errorf("%d files more, want %d", got, many)
	}
}
