//go:build e2e

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
)

// rigs numbers the namespaces of this process.
var rigs atomic.Int64

const (
	nearAddress = "10.231.7.1"
	farAddress  = "10.231.7.2"
	far6Address = "fd00:231::2"
	echoPort    = 7007
	sinkPort    = 7008
)

// A rig is two network namespaces of a test's own, joined by a pair of virtual
// interfaces. In the far one, a UDP echo and a TCP sink listen. Faults are set
// in the near one, on interface "near0".
type rig struct {
	near, far string // names
	nearPlace *place
	farPlace  *place
	echoed    atomic.Int64 // datagrams that the echo has got
	sunk      atomic.Int64 // bytes that the sink has read
}

// newRig fails the test when this user or this machine cannot have one.
func newRig(t *testing.T) *rig {
	t.Helper()
	for _, name := range []string{"nft", "tc"} {
		if _, err := tool(name); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatal("these tests make network namespaces: root is needed")
	}
	base := fmt.Sprintf("brunt-test-%d-%d", os.Getpid(), rigs.Add(1))
	r := &rig{near: base + "a", far: base + "b"}
	for _, name := range []string{r.near, r.far} {
		ip(t, "netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	}
	ip(t, "-n", r.near, "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", r.far)
	for _, s := range []struct{ ns, dev, v4, v6 string }{
		{r.near, "near0", nearAddress + "/24", "fd00:231::1/64"}, {r.far, "far0", farAddress + "/24", far6Address + "/64"},
	} {
		ip(t, "-n", s.ns, "address", "add", s.v4, "dev", s.dev)
		ip(t, "-n", s.ns, "address", "add", s.v6, "dev", s.dev, "nodad")
		ip(t, "-n", s.ns, "link", "set", "lo", "up")
		ip(t, "-n", s.ns, "link", "set", s.dev, "up")
	}
	r.nearPlace, r.farPlace = open(t, r.near), open(t, r.far)
	r.serve(t)
	r.answers(t, farAddress)
	return r
}

// answers waits until the neighbours have found each other.
func (r *rig) answers(t *testing.T, host string) {
	t.Helper()
	eventually(t, "the far side answers", func() bool {
		answers, _, _ := r.ping(t, host, 1, 100*time.Millisecond)
		return answers == 1
	})
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func open(t *testing.T, name string) *place {
	t.Helper()
	p, err := openPlace(t.Context(), filepath.Join(namedNamespaces, name), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// serve starts the echo and the sink, and ends them with the test.
func (r *rig) serve(t *testing.T) {
	t.Helper()
	var echo net.PacketConn
	var sink net.Listener
	err := r.farPlace.do(t.Context(), func() (err error) {
		if echo, err = new(net.ListenConfig).ListenPacket(t.Context(), "udp", fmt.Sprintf(":%d", echoPort)); err != nil {
			return err
		}
		sink, err = new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf(":%d", sinkPort))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_, _ = echo.Close(), sink.Close()
		serving.Wait()
	})
	serving.Go(func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := echo.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				r.echoed.Add(1)
				_, _ = echo.WriteTo(buffer[:n], from)
			}
		}
	})
	serving.Go(func() {
		for {
			conn, err := sink.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				buffer := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buffer)
					r.sunk.Add(int64(n))
					if err != nil {
						_ = conn.Close()
						return
					}
				}
			})
		}
	})
}

// dial connects from the near namespace.
func (r *rig) dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	var conn net.Conn
	err := r.nearPlace.do(context.Background(), func() (err error) {
		conn, err = (&net.Dialer{Timeout: 5 * time.Second}).Dial(network, address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// ping sends n datagrams from the near namespace to the echo, all at once, and
// waits for the answers: those that come within the patience, and the mean and
// the worst round trip.
func (r *rig) ping(t *testing.T, host string, n int, patience time.Duration) (answers int, mean, worst time.Duration) {
	t.Helper()
	conn := r.dial(t, "udp", net.JoinHostPort(host, fmt.Sprint(echoPort)))
	defer conn.Close()
	sent := make([]time.Time, n)
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range n {
			sent[i] = time.Now()
			_, _ = fmt.Fprintf(conn, "%-1000d", i) // a refused packet is a lost one
			if i%16 == 15 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	came := map[int]time.Time{}
	buffer := make([]byte, 2048)
	for len(came) < n {
		size, err := conn.Read(buffer)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			continue
		}
		var i int
		if _, err := fmt.Sscan(string(buffer[:size]), &i); err == nil && i < n {
			came[i] = time.Now()
		}
	}
	sending.Wait()
	for i, at := range came {
		took := at.Sub(sent[i])
		mean += took
		worst = max(worst, took)
	}
	if len(came) > 0 {
		mean /= time.Duration(len(came))
	}
	return len(came), mean, worst
}

// push sends bytes to the sink over TCP for a while and says how many arrived
// in it, per second.
func (r *rig) push(t *testing.T, host string, d time.Duration) float64 {
	t.Helper()
	conn := r.dial(t, "tcp", net.JoinHostPort(host, fmt.Sprint(sinkPort)))
	before := r.sunk.Load()
	started := time.Now()
	_ = conn.SetDeadline(started.Add(d))
	block := make([]byte, 32<<10)
	for {
		if _, err := conn.Write(block); err != nil {
			break
		}
	}
	rate := float64(r.sunk.Load()-before) / time.Since(started).Seconds()
	// Reset, so that what still queues does not go on.
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return rate
}

// state is the system's own word for what is set in the near namespace, by the
// tools alone.
func (r *rig) state(t *testing.T) string {
	t.Helper()
	tables, err := r.nearPlace.nft(context.Background(), "", "-s", "list", "ruleset")
	if err != nil {
		t.Fatal(err)
	}
	qdiscs, err := r.nearPlace.qdiscs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	text := string(tables)
	for _, q := range qdiscs {
		text += fmt.Sprintf("%s %s %s\n", q.Dev, q.Kind, q.Handle)
	}
	err = r.nearPlace.do(context.Background(), func() error {
		for _, path := range []string{"netfilter/nfnetlink_queue", "unix"} {
			listed, err := os.ReadFile("/proc/thread-self/net/" + path)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if path == "unix" {
				text += fmt.Sprintf("%d sockets of ours\n", strings.Count(string(listed), socketPrefix))
			} else {
				text += fmt.Sprintf("%d queues\n", strings.Count(string(listed), "\n"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// fault makes a fault in the near namespace.
func (r *rig) fault(t *testing.T, c Config, env chaos.Env) chaos.Fault {
	t.Helper()
	c.Netns = r.near
	if env.Fault == "" {
		env.Fault = "cut"
	}
	f, err := New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ended says whether a process is gone, or a zombie.
func ended(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}

// delayerPid is the process that delays packets in the near namespace.
func (r *rig) delayerPid(t *testing.T, receipt chaos.Receipt) int {
	t.Helper()
	d, err := read(receipt)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.nearPlace.dialDelayer(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer, err := peerOf(conn)
	if err != nil {
		t.Fatal(err)
	}
	return int(peer.Pid)
}

// kill sends SIGKILL and waits until the process is gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed process ends", func() bool { return ended(pid) })
}

// eventually waits for what must come, up to a bound that is no expectation.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
