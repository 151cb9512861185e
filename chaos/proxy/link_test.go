package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// hang bounds what would otherwise hang for ever; no test expects it.
const hang = 20 * time.Second

// serveOn starts one proxy within the test's process.
func serveOn(t *testing.T, upstream string) *server {
	t.Helper()
	// A server of net/http waits for half a second when it closes a connection.
	waiting := goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")
	ignore := goleak.IgnoreCurrent()
	s, err := listen("p", middlebox.Endpoint{Listen: "127.0.0.1:0", Upstream: upstream})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		s.close()
		cancel()
		wg.Wait()
		goleak.VerifyNone(t, ignore, waiting)
		if used := s.budget.used.Load(); used != 0 {
			t.Errorf("%d bytes of the budget are left in use", used)
		}
	})
	return s
}

// pair is a connection through a new proxy: the client's end, the upstream's.
// It is opened under the toxics given.
func pair(t *testing.T, toxics ...Toxic) (s *server, client, up *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s = serveOn(t, l.Addr().String())
	if toxics != nil {
		s.must(t, toxics...)
	}
	client = connect(t, s)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return s, client, guard(t, conn)
}

func connect(t *testing.T, s *server) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return guard(t, conn)
}

func guard(t *testing.T, conn net.Conn) *net.TCPConn {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(hang)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// must sets toxics and waits until live connections obey them: what a stream
// is copying at that moment still passes.
func (s *server) must(t *testing.T, toxics ...Toxic) {
	t.Helper()
	for i := range toxics {
		toxics[i].Share = 1
	}
	if err := s.inject("test", toxics, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.links {
		l.mu.Lock()
		streams := l.streams
		l.mu.Unlock()
		for _, stream := range streams {
			for deadline := time.Now().Add(hang); len(stream.toxics()) > 0 && stream.queue.Load() == nil ||
				stream.way == upstream && s.toxics().readsHTTP() && !stream.along.Load() && !l.isDead(); {
				if time.Now().After(deadline) {
					t.Fatal("a stream does not obey")
				}
				runtime.Gosched()
			}
		}
	}
}

func (s *server) clear() { s.drop(func(*active) bool { return true }) }

func send(t *testing.T, conn *net.TCPConn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func expect(t *testing.T, conn *net.TCPConn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("received %q, %v; want %q", got, err, text)
	}
}

func expectEnd(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("received %d bytes, %v; want the end", n, err)
	}
}

func expectReset(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("received %d bytes, %v; want a reset", n, err)
	}
}

// expectRefused asks that a new connection is reset, in the wake of the
// handshake or on first use.
func expectRefused(t *testing.T, s *server) {
	t.Helper()
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err == nil {
		expectReset(t, guard(t, conn))
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("dial: %v", err)
	}
}

// expectHeld waits until a blackhole holds so much.
func (s *server) expectHeld(t *testing.T, bytes int64) {
	t.Helper()
	deadline := time.Now().Add(hang)
	for {
		var held int64
		for _, a := range s.toxics() {
			held += a.held.Load()
		}
		if held == bytes {
			return
		}
		runtime.Gosched()
		if time.Now().After(deadline) {
			t.Fatalf("holds %d bytes, want %d", held, bytes)
		}
	}
}

// The ends of streams pass one at a time, whatever acts on them.
func TestHalfClose(t *testing.T) {
	for name, toxics := range map[string][]Toxic{
		"without toxics": nil,
		"with latency":   {{Type: latencyType, Way: upstream, Delay: 1}, {Type: latencyType, Way: downstream, Delay: 1}},
		"one way only":   {{Type: latencyType, Way: downstream, Delay: 1}},
		"slow close":     {{Type: slowCloseType, Way: upstream, Delay: time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			s, client, up := pair(t)
			if toxics != nil {
				s.must(t, toxics...)
			}
			send(t, client, "question")
			expect(t, up, "question")
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			expectEnd(t, up)
			send(t, up, "answer")
			expect(t, client, "answer")
			_ = up.Close()
			expectEnd(t, client)
		})
	}
}

// While toxics come and go on a live connection, not a byte is lost, doubled
// or out of order, either way.
func TestIntegrity(t *testing.T) {
	s, client, up := pair(t)
	const size = 24 << 20
	sent := make([]byte, size)
	chacha := rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(sent)

	var wg sync.WaitGroup
	transfer := func(from, to *net.TCPConn) {
		wg.Go(func() {
			if _, err := from.Write(sent); err != nil {
				t.Errorf("send: %v", err)
			}
			_ = from.CloseWrite()
		})
		wg.Go(func() {
			got, err := io.ReadAll(to)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("received %d bytes, %v; want %d", len(got), err, size)
			}
		})
	}
	transfer(client, up)
	transfer(up, client)
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	rng := rand.New(rand.NewPCG(1, 1))
	for over := false; !over; {
		var toxics []Toxic
		for _, way := range []Way{upstream, downstream} {
			for _, toxic := range []Toxic{
				{Type: bandwidthType, Rate: 100 << 20},
				{Type: latencyType, Delay: 3 * time.Millisecond, Jitter: 3 * time.Millisecond},
				{Type: slowCloseType, Delay: time.Millisecond},
				{Type: blackholeType},
			} {
				toxic.Way, toxic.Share = way, 1
				if rng.IntN(2) == 0 {
					toxics = append(toxics, toxic)
				}
			}
		}
		if err := s.inject("test", toxics, time.Hour); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			over = true
		case <-time.After(time.Duration(rng.IntN(3000)) * time.Microsecond):
		}
		if rng.IntN(3) > 0 {
			s.clear()
		}
	}
}

// A blackhole holds what it gets, on live and on new connections, and lets it
// go when it is healed, as a partition would.
func TestBlackhole(t *testing.T) {
	s, client, up := pair(t)
	send(t, client, "before")
	expect(t, up, "before")
	s.must(t, Toxic{Type: blackholeType, Way: upstream})
	send(t, client, "during")
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.expectHeld(t, 6)
	// The other way is not harmed.
	send(t, up, "hello")
	expect(t, client, "hello")
	s.clear()
	expect(t, up, "during")
	expectEnd(t, up)
}

// More than a queue holds makes the sender wait, and loses nothing.
func TestBlackholeFull(t *testing.T) {
	s, client, up := pair(t)
	s.must(t, Toxic{Type: blackholeType, Way: upstream})
	text := bytes.Repeat([]byte("0123456789abcdef"), 2*queueSize/16)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if _, err := client.Write(text); err != nil {
			t.Errorf("send: %v", err)
		}
		_ = client.CloseWrite()
	})
	// The queue is full when not even a large piece fits in; its first piece
	// is not taken from the budget.
	for s.budget.used.Load() < queueSize-2*(readSize+overhead) {
		if t.Failed() {
			return
		}
		runtime.Gosched()
	}
	if used := s.budget.used.Load(); used > queueSize {
		t.Errorf("the queue holds %d bytes", used)
	}
	s.clear()
	if got, err := io.ReadAll(up); err != nil || !bytes.Equal(got, text) {
		t.Errorf("received %d bytes, %v; want %d", len(got), err, len(text))
	}
}

func TestReset(t *testing.T) {
	s, client, up := pair(t)
	send(t, client, "before")
	expect(t, up, "before")
	s.must(t, Toxic{Type: resetType})
	expectReset(t, client)
	expectReset(t, up)
	expectRefused(t, s)
	if cut := s.toxics()[0].cut.Load(); cut != 2 {
		t.Errorf("%d connections were cut", cut)
	}
}

// What befalls one end, the other one sees.
func TestPropagation(t *testing.T) {
	for name, toxics := range map[string][]Toxic{
		"without toxics": nil,
		"with toxics":    {{Type: latencyType, Way: upstream, Delay: 1}, {Type: latencyType, Way: downstream, Delay: 1}},
	} {
		start := func(t *testing.T) (client, up *net.TCPConn) {
			s, client, up := pair(t)
			if toxics != nil {
				s.must(t, toxics...)
			}
			send(t, client, "hello") // the upstream is connected
			expect(t, up, "hello")
			return client, up
		}
		t.Run(name+"/client resets", func(t *testing.T) {
			client, up := start(t)
			reset(client)
			expectReset(t, up)
		})
		t.Run(name+"/upstream resets", func(t *testing.T) {
			client, up := start(t)
			reset(up)
			expectReset(t, client)
		})
		// A server may answer and close before it has read everything: the
		// answer must arrive, though sending the rest fails.
		t.Run(name+"/upstream answers early", func(t *testing.T) {
			client, up := start(t)
			send(t, up, "too large")
			if err := up.CloseRead(); err != nil {
				t.Fatal(err)
			}
			_ = up.Close()
			expect(t, client, "too large")
			for err := error(nil); err == nil; {
				_, err = client.Write(make([]byte, 1<<16)) // until the reset arrives
			}
		})
	}
	t.Run("upstream refuses", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		expectRefused(t, serveOn(t, l.Addr().String()))
	})
}

// Toxics of one owner leave those of another alone, and come in their order.
func TestOwners(t *testing.T) {
	s := serveOn(t, "127.0.0.1:1")
	late, narrow := Toxic{Type: latencyType, Way: upstream, Delay: 1, Share: 1}, Toxic{Type: bandwidthType, Way: upstream, Rate: 1, Share: 1}
	if err := s.inject("a", []Toxic{late}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.inject("b", []Toxic{narrow, late}, time.Hour); !errors.Is(err, middlebox.ErrTaken) {
		t.Errorf("a toxic that another owner has: %v", err)
	}
	if len(s.toxics()) != 1 {
		t.Error("a refused injection left something behind")
	}
	if err := s.inject("b", []Toxic{narrow}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if set := s.toxics(); set[0].Type != bandwidthType || set[1].Type != latencyType {
		t.Errorf("in the order %s, %s", set[0].Type, set[1].Type)
	}
	if n := s.drop(func(a *active) bool { return a.owner == "a" }); n != 1 || s.toxics()[0].owner != "b" {
		t.Errorf("dropped %d of a", n)
	}
	s.abandon()
	if len(s.toxics()) != 0 {
		t.Error("an abandoned proxy kept a toxic")
	}
	if err := s.inject("a", []Toxic{late}, time.Hour); !errors.Is(err, middlebox.ErrOrphan) {
		t.Errorf("an abandoned proxy took a toxic: %v", err)
	}
}
