//go:build e2e && linux

package kills

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const effectsFile = "EFFECTS.md"

const effectsHeading = `# What faults do

Each fault as it is asked for, and what it does as the other side sees it: a
client of the proxy, a question to the resolver, the kernel's figures. The
tests hold the figures against what was asked, and fail where it is not reached.
Network faults are measured in chaos/network (make e2e-faults).

Written by ` + "`go test -tags e2e ./chaos/kills -run Effects -update`" + `.

| kind | asked | measured |
|---|---|---|
`

// An effect is a fault and how it is measured from outside. Measure fails the
// test where the fault does not do what was asked.
type effect struct {
	kind, asked string
	tls         bool
	measure     func(t *testing.T, c *cell, address string, bare time.Duration) string
}

func effects() []effect {
	proxy := func(asked string, measure func(*testing.T, *cell, string, time.Duration) string) effect {
		return effect{kind: "proxy", asked: asked, measure: measure}
	}
	return []effect{
		proxy("latency: 100ms", later(100*time.Millisecond)),
		proxy("{ latency: 100ms, jitter: 20ms }", later(80*time.Millisecond)),
		proxy("bandwidth: 1MiB/s", slower(1<<20)),
		proxy("slicer: { size: 64B, delay: 1ms }", sliced(64)),
		proxy("limit: 10KiB", limited(10<<10)),
		proxy("timeout: 300ms", closedAfter(300*time.Millisecond)),
		proxy("reset: true", cut),
		proxy("blackhole: true", silent),
		proxy("half_open: upstream", silent),
		proxy("{ slow_close: 300ms, direction: downstream }", endsLate(300*time.Millisecond)),
		proxy("http: { delay: 100ms }", later(100*time.Millisecond)),
		proxy("http: { path: /pay, abort: 503 }", statuses("20 × 503 of /pay, 20 × 200 of /", "/pay", 20)),
		proxy("http: { abort: 500, first: 3 }", firstFail(3)),
		proxy("{ http: { abort: 503 }, share: 30% }", shareFails(0.3)),
		proxy(`http: { response: { replace: { ok: broken } } }`, bodies("broken")),
		{kind: "proxy", asked: "tls: expired", tls: true, measure: handshake("expired")},
		{kind: "proxy", asked: "tls: wrong_host", tls: true, measure: handshake("certificate")},
		{kind: "proxy", asked: "tls: self_signed", tls: true, measure: handshake("unknown authority")},
		{kind: "proxy", asked: "tls: stall", tls: true, measure: handshake("deadline exceeded")},
		{kind: "dns", asked: "fail: nxdomain", measure: answers("RCodeNameError")},
		{kind: "dns", asked: "fail: servfail", measure: answers("RCodeServerFailure")},
		{kind: "dns", asked: "fail: refused", measure: answers("RCodeRefused")},
		{kind: "dns", asked: "fail: no_answer", measure: answers("no answer")},
		{kind: "dns", asked: "answer: [127.0.0.9]", measure: answers("127.0.0.9")},
		{kind: "dns", asked: "delay: 200ms", measure: answers("late")},
		{kind: "stress", asked: "cpu: { workers: 1, load: 50% }", measure: busy(0.5)},
		{kind: "stress", asked: "memory: { size: 64MiB }", measure: resident(64 << 20)},
		{kind: "stress", asked: "disk_fill: { dir: DIR, size: 32MiB, reserve: 64MiB }", measure: filled(32 << 20)},
		{kind: "stress", asked: "disk_fill: { dir: DIR, until_free: 100MiB, reserve: 64MiB }", measure: filled(60 << 20)},
	}
}

// TestE2EEffects plays each fault with the binary that people get.
func TestE2EEffects(t *testing.T) {
	needRoot(t)
	exe, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	all := effects()
	measured := make([]string, len(all))
	var mu sync.Mutex
	together(t, len(all), func(i int) string { return all[i].kind + " " + all[i].asked }, func(t *testing.T, i int) {
		text := all[i].play(t, exe)
		mu.Lock()
		defer mu.Unlock()
		measured[i] = text
	})
	if !*update {
		return
	}
	text := effectsHeading
	for i, e := range all {
		text += fmt.Sprintf("| %s | `%s` | %s |\n", e.kind, e.asked, measured[i])
	}
	if err := os.WriteFile(effectsFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (e effect) play(t *testing.T, exe string) string {
	c := &cell{kind: e.kind, at: 100 * time.Millisecond, length: 6 * time.Second, total: 7 * time.Second}
	c.folders(t, exe)
	address := ""
	var bare time.Duration
	more := strings.TrimSuffix(strings.TrimPrefix(e.asked, "{ "), " }")
	if !strings.HasPrefix(e.asked, "{ ") {
		more = e.asked
	}
	switch e.kind {
	case "proxy":
		role := "web"
		if e.tls {
			role = "tls"
		}
		upstream := play(t, role)
		address = freePort(t)
		if !e.tls {
			bare = roundTrips(t, upstream.address)
		}
		c.arena = &arena{hosts: []string{address, upstream.address}, look: func() string { return "" },
			in:    fmt.Sprintf("proxies: { web: { listen: %q, upstream: %q } }", address, upstream.address),
			fault: "proxy: { on: web, " + more + " }"}
	case "dns":
		c.arena = dnsArena(t, c)
		address = c.arena.hosts[0]
		c.arena.fault = `dns: { on: names, names: ["*"], ` + more + ` }`
	case "stress":
		c.arena = stressArena(t, c)
		c.arena.fault = "stress: { " + strings.ReplaceAll(more, "DIR", strconv.Quote(c.dir+"/disk")) + " }"
	}
	c.prepare(t, exe)
	c.start(t)
	receipts := c.run + "/receipts.jsonl"
	eventually(t, "the fault is injected", func() bool {
		select {
		case <-c.ended:
			t.Fatalf("the run ended\n%s", c.story())
		default:
		}
		text, _ := os.ReadFile(receipts)
		return strings.Contains(string(text), `"injected"`)
	})
	text := e.measure(t, c, address, bare)
	t.Logf("asked %s; measured %s", e.asked, text)
	signal(t, []int{c.cmd.Process.Pid}, syscall.SIGINT)
	c.wait(t)
	c.settled(t, false)
	return text
}

// roundTrips is the median of some over one connection.
func roundTrips(t *testing.T, address string) time.Duration {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: 5 * time.Second}
	var all []time.Duration
	for range 15 {
		began := time.Now()
		response, err := client.Get("http://" + address + "/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func later(least time.Duration) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, bare time.Duration) string {
		with := roundTrips(t, address)
		if with < least {
			t.Errorf("a round trip takes %s", with)
		}
		return fmt.Sprintf("round trip, median: %s without, %s with it", bare.Round(10*time.Microsecond), with.Round(10*time.Microsecond))
	}
}

// raw makes a request by hand and returns what can be read of its answer.
func raw(t *testing.T, address, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n", path) // a reset shows in the read
	return conn
}

func slower(most float64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		conn := raw(t, address, "/big")
		began := time.Now()
		n, err := io.Copy(io.Discard, conn)
		rate := float64(n) / time.Since(began).Seconds()
		if err != nil || n < big || rate > 1.1*most {
			t.Errorf("%d bytes, %.0f B/s, %v", n, rate, err)
		}
		return fmt.Sprintf("%.3f MiB/s", rate/(1<<20))
	}
}

func sliced(size int) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		conn := raw(t, address, "/")
		var pieces []int
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if n > 0 {
				pieces = append(pieces, n)
			}
			if err != nil {
				break
			}
		}
		if len(pieces) < 2 || pieces[0] > size {
			t.Errorf("pieces %v", pieces)
		}
		return fmt.Sprintf("an answer in pieces of %v bytes", pieces)
	}
}

func limited(size int64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		n, err := io.Copy(io.Discard, raw(t, address, "/big"))
		if n != size || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", n, err)
		}
		return fmt.Sprintf("closed after %d bytes", n)
	}
}

func closedAfter(least time.Duration) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		conn := raw(t, address, "/")
		began := time.Now()
		n, err := io.Copy(io.Discard, conn)
		took := time.Since(began)
		if n != 0 || took < least-20*time.Millisecond || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes after %s, %v", n, took, err)
		}
		return fmt.Sprintf("nothing came, closed after %s", took.Round(time.Millisecond))
	}
}

func cut(t *testing.T, _ *cell, address string, _ time.Duration) string {
	conn, err := net.Dial("tcp", address)
	if err == nil { // else it was cut at once
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = io.Copy(io.Discard, conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("not reset: %v", err)
	}
	return "connection reset by peer"
}

func silent(t *testing.T, _ *cell, address string, _ time.Duration) string {
	conn := raw(t, address, "/")
	_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := io.Copy(io.Discard, conn)
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", n, err)
	}
	return "nothing came within 500ms, and the connection stays open"
}

func endsLate(least time.Duration) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		conn := raw(t, address, "/")
		in := bufio.NewReader(conn)
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		began := time.Now()
		_, err = in.ReadByte()
		took := time.Since(began)
		if !errors.Is(err, io.EOF) || took < least-50*time.Millisecond {
			t.Errorf("ended %s after the answer, %v", took, err)
		}
		return fmt.Sprintf("the stream ends %s after the answer", took.Round(time.Millisecond))
	}
}

// codes counts the statuses of n requests.
func codes(t *testing.T, address, path string, n int) map[int]int {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	counts := map[int]int{}
	for range n {
		response, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		counts[response.StatusCode]++
	}
	return counts
}

func statuses(text, path string, n int) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		hit, other := codes(t, address, path, n), codes(t, address, "/", n)
		if hit[503] != n || other[200] != n {
			t.Errorf("%v of %s, %v of the others", hit, path, other)
		}
		return text
	}
}

func firstFail(first int) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		counts := codes(t, address, "/", 20)
		if counts[500] != first || counts[200] != 20-first {
			t.Errorf("%v", counts)
		}
		return fmt.Sprintf("of 20 requests: %d × 500, %d × 200", counts[500], counts[200])
	}
}

func shareFails(share float64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		const n = 500
		counts := codes(t, address, "/", n)
		got := float64(counts[503]) / n
		if got < share-0.1 || got > share+0.1 { // five standard deviations
			t.Errorf("%v", counts)
		}
		return fmt.Sprintf("%.1f %% of %d requests", 100*got, n)
	}
}

func bodies(want string) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		if string(text) != want {
			t.Errorf("body %q", text)
		}
		return fmt.Sprintf("body %q instead of \"ok\"", text)
	}
}

func handshake(want string) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", address, &tls.Config{ServerName: "127.0.0.1"})
		if err == nil {
			_ = conn.Close()
			t.Fatal("the handshake succeeds")
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("handshake: %v", err)
		}
		return "a client says: " + err.Error()
	}
}

func answers(want string) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, _ *cell, address string, _ time.Duration) string {
		began := time.Now()
		got := resolve(address)
		took := time.Since(began)
		if want == "late" {
			if got != "192.0.2.7" || took < 200*time.Millisecond {
				t.Errorf("%s after %s", got, took)
			}
			return fmt.Sprintf("the true answer, after %s", took.Round(time.Millisecond))
		}
		if got != want {
			t.Errorf("answer %s", got)
		}
		return got
	}
}

// resolve asks for a name's address.
func resolve(address string) string {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	question := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("shop.svc."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	text, err := question.Pack()
	if err != nil {
		return err.Error()
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(text); err != nil {
		return err.Error()
	}
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	var m dnsmessage.Message
	switch {
	case err != nil:
		return "no answer"
	case m.Unpack(buffer[:n]) != nil:
		return "nonsense"
	case m.RCode != dnsmessage.RCodeSuccess:
		return m.RCode.String()
	}
	for _, a := range m.Answers {
		if r, ok := a.Body.(*dnsmessage.AResource); ok {
			return net.IP(r.A[:]).String()
		}
	}
	return "no address"
}

// helper is the one stress process of the cell.
func helper(t *testing.T, c *cell) int {
	t.Helper()
	found := matching(func(words []string, _ []byte) bool {
		return len(words) > 1 && words[0] == c.exe && words[1] == "stress"
	})
	for _, pid := range found {
		if parent, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			_, rest, _ := strings.Cut(string(parent), ") ")
			if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(c.cmd.Process.Pid) {
				return pid
			}
		}
	}
	t.Fatal("there is no helper")
	return 0
}

func busy(share float64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, c *cell, _ string, _ time.Duration) string {
		pid := helper(t, c)
		before, began := ticks(pid), time.Now()
		time.Sleep(2 * time.Second)
		got := float64(ticks(pid)-before) / 100 / time.Since(began).Seconds()
		if got < share/50 || got > share*1.1 { // a busy machine gives it less
			t.Errorf("%.3f of a core", got)
		}
		return fmt.Sprintf("%.1f %% of a core", 100*got)
	}
}

// ticks is a process's processor time, in hundredths of a second.
func ticks(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return user + system
}

func resident(size int64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, c *cell, _ string, _ time.Duration) string {
		pid := helper(t, c)
		var kib int64
		eventually(t, "the memory is taken", func() bool {
			out, _ := exec.Command("awk", "/VmRSS/ {print $2}", fmt.Sprintf("/proc/%d/status", pid)).Output()
			kib, _ = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			return kib<<10 >= size
		})
		return fmt.Sprintf("%.1f MiB resident, with the program itself", float64(kib)/1024)
	}
}

func filled(size int64) func(*testing.T, *cell, string, time.Duration) string {
	return func(t *testing.T, c *cell, _ string, _ time.Duration) string {
		var s syscall.Statfs_t
		eventually(t, "the space is taken", func() bool {
			return syscall.Statfs(c.dir+"/disk", &s) == nil && int64(s.Blocks-s.Bfree)*s.Bsize >= size-1<<20
		})
		if free := int64(s.Bfree) * s.Bsize; free < 64<<20 {
			t.Errorf("the reserve of 64 MiB was touched: %d bytes are free", free)
		}
		return fmt.Sprintf("%.1f MiB taken of %.0f, %.1f free", float64(int64(s.Blocks-s.Bfree)*s.Bsize)/(1<<20), float64(int64(s.Blocks)*s.Bsize)/(1<<20), float64(int64(s.Bfree)*s.Bsize)/(1<<20))
	}
}
