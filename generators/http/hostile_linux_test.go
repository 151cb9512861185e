package http

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
)

// A hostile server spoils every second request, the first one included, and
// answers the others as it should, each with another status. Its requests are
// POSTs, which are never sent twice.
type hostile struct {
	*rawServer
	requests atomic.Int64
	open     atomic.Int64 // connections

	done   chan struct{} // closed by finish, when all has been played
	finish func()

	mu   sync.Mutex
	told []int // the statuses of the answers that were as they should be
}

// A spoiler does what it likes with a request of which only the header has been
// read; true ends the connection. done closes when all has been played.
type spoiler func(c *net.TCPConn, body io.Reader, done <-chan struct{}) (end bool)

// newHostile starts a server with that spoiler.
func newHostile(t *testing.T, spoil spoiler) *hostile {
	h := &hostile{done: make(chan struct{})}
	h.finish = sync.OnceFunc(func() { close(h.done) })
	h.rawServer = serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		h.open.Add(1)
		defer h.open.Add(-1)
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			n := int(h.requests.Add(1) - 1)
			if n%2 == 0 {
				if spoil(c, req.Body, h.done) {
					return
				}
			}
			// What is left of the body, if it comes.
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if n%2 == 0 {
				continue
			}
			status := 200 + n%90
			h.mu.Lock()
			h.told = append(h.told, status)
			h.mu.Unlock()
			if _, err := fmt.Fprintf(c, "HTTP/1.1 %d Fine\r\nContent-Length: 2\r\n\r\nok", status); err != nil {
				return
			}
		}
	})
	t.Cleanup(h.finish)
	return h
}

// An ending is how one operation ended, on either path.
type ending struct {
	class  generators.Class
	status int
	err    error
}

// paths are the two ways in which a load is played, here one arrival after
// the other over one connection at a time.
var paths = map[string]func(t *testing.T, g *generator, n int) []ending{
	"goroutines": func(t *testing.T, g *generator, n int) []ending { return inSession(t, g, n) },
	"pausing": func(t *testing.T, g *generator, n int) []ending {
		return inSession(t, gentest.Pausing(pausesAlways(g)), n)
	},
	"lane": func(t *testing.T, g *generator, n int) (all []ending) {
		loop, why := g.Loop()
		if loop == nil {
			t.Fatalf("not on the lane: %s", why)
		}
		err := loop(generators.LoopRun{
			Origin: time.Now(), MaxSessions: 1, Patience: time.Minute, Stop: new(atomic.Bool), Hurry: new(atomic.Bool),
			Stats: &generators.LoopStats{Lag: func(time.Duration) {}},
			Arrivals: func(yield func(time.Duration) bool) {
				for i := 0; i < n && yield(0); i++ {
				}
			},
			Record: func(op *generators.LoopOp) { all = append(all, ending{op.Class, op.Status, op.Err}) },
		})
		if err != nil {
			t.Error(err)
		}
		return all
	},
}

// inSession plays n arrivals in one session.
func inSession(t *testing.T, g generators.Generator, n int) (all []ending) {
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		op := once(t, s)
		all = append(all, ending{op.Class, op.Status, op.Err})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return all
}

// Whatever a server does, the operation is classified, the next one gets the
// answer that is its own, and nothing is left behind, on both paths.
func TestHostileServers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	say := func(text string) spoiler {
		return func(c *net.TCPConn, body io.Reader, _ <-chan struct{}) bool {
			_, _ = io.Copy(io.Discard, body)
			_, err := io.WriteString(c, text)
			return err != nil
		}
	}
	then := func(text string, after func(*net.TCPConn)) spoiler {
		return func(c *net.TCPConn, body io.Reader, _ <-chan struct{}) bool {
			say(text)(c, body, nil)
			after(c)
			return true
		}
	}
	forEver := func(start, piece string) spoiler {
		return func(c *net.TCPConn, body io.Reader, _ <-chan struct{}) bool {
			end := say(start)(c, body, nil)
			for !end {
				_, err := io.WriteString(c, piece)
				end = err != nil
			}
			return true
		}
	}
	halfClose := func(c *net.TCPConn) {
		_ = c.CloseWrite()
		hold(c)
	}
	const large = 8 << 20 // more than the sockets take
	chunked := ok + "Transfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct {
		name  string
		spoil spoiler
		class generators.Class
		hangs bool               // only the timeout ends it
		body  int                // of the request
		next  []generators.Class // of any operation, instead
	}{
		{name: "header without end", spoil: forEver(ok, "X: "+strings.Repeat("y", 100)+"\r\n"), class: generators.Protocol},
		{name: "header line without end", spoil: forEver(ok+"X: ", strings.Repeat("y", 1000)), class: generators.Protocol},
		{name: "status line without end", spoil: forEver("HTTP/1.1 200 ", strings.Repeat("y", 1000)), class: generators.Protocol},
		{name: "interim answers without end", spoil: forEver("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), class: generators.Protocol},
		{name: "trailers without end", spoil: forEver(chunked+"0\r\n", "X: "+strings.Repeat("y", 100)+"\r\n"), class: generators.Protocol},
		{name: "chunk extension without end", spoil: forEver(chunked+"1;", strings.Repeat("y", 1000)), class: generators.Protocol},

		{name: "less body than said, then the end", spoil: then(ok+"Content-Length: 9\r\n\r\nabc", hangUp), class: generators.Reset},
		{name: "less body than said, then silence", spoil: then(ok+"Content-Length: 9\r\n\r\nabc", hold), class: generators.Timeout, hangs: true},
		{name: "more body than said", spoil: say(ok + "Content-Length: 1\r\n\r\nabc"), class: generators.OK},
		{name: "a whole answer behind the answer", spoil: say(ok + "Content-Length: 1\r\n\r\na" + ok + "Content-Length: 0\r\n\r\n"), class: generators.OK},
		{name: "a body with a 204", spoil: say("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc"), class: generators.OK},
		{name: "length of 2^63", spoil: say(ok + "Content-Length: 9223372036854775808\r\n\r\nabc"), class: generators.Protocol},
		{name: "length of 2^64+1", spoil: say(ok + "Content-Length: 18446744073709551617\r\n\r\na"), class: generators.Protocol},
		{name: "length below nothing", spoil: say(ok + "Content-Length: -3\r\n\r\nabc"), class: generators.Protocol},
		{name: "two lengths", spoil: say(ok + "Content-Length: 3\r\nContent-Length: 1\r\n\r\nabc"), class: generators.Protocol},
		{name: "two lengths in a list", spoil: say(ok + "Content-Length: 1, 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "length and chunks", spoil: say(ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), class: generators.OK},
		{name: "an unknown coding", spoil: say(ok + "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), class: generators.Protocol},

		{name: "chunk of 2^63", spoil: say(chunked + "8000000000000000\r\nabc"), class: generators.Protocol},
		{name: "chunk of 2^64", spoil: say(chunked + "10000000000000000\r\nabc"), class: generators.Protocol},
		{name: "chunk of -1", spoil: say(chunked + "-1\r\nabc"), class: generators.Protocol},
		{name: "chunk of 0x3", spoil: say(chunked + "0x3\r\nabc\r\n0\r\n\r\n"), class: generators.Protocol},
		{name: "chunk without a size", spoil: say(chunked + "\r\nabc"), class: generators.Protocol},
		{name: "chunk longer than its size", spoil: say(chunked + "1\r\nabc\r\n0\r\n\r\n"), class: generators.Protocol},
		{name: "chunks cut short", spoil: then(chunked+"3\r\nabc\r\n", hangUp), class: generators.Reset},

		{name: "carriage return in a value", spoil: say(ok + "X: a\rContent-Length: 0\r\nContent-Length: 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "two carriage returns", spoil: say(ok + "Content-Length: 3\r\r\n\r\nabc"), class: generators.Protocol},
		{name: "carriage return for a line end", spoil: then("HTTP/1.1 200 OK\rContent-Length: 3\r\rabc\n", hangUp), class: generators.Reset},
		{name: "null byte in a value", spoil: say(ok + "X: a\x00b\r\nContent-Length: 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "space before the colon", spoil: say(ok + "Content-Length : 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "a name with a space", spoil: say(ok + "Content Length: 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "begins with a folded line", spoil: say(ok + " Content-Length: 3\r\n\r\nabc"), class: generators.Protocol},
		{name: "bare line feed among chunks", spoil: say(chunked + "3\nabc\n0\n\n"), class: generators.Protocol},
		{name: "an empty line first", spoil: say("\r\n" + ok + "Content-Length: 3\r\n\r\nabc"), class: generators.Protocol},

		{name: "early 200, body unread", spoil: func(c *net.TCPConn, _ io.Reader, done <-chan struct{}) bool {
			_, _ = io.WriteString(c, ok+"Content-Length: 2\r\n\r\nok")
			<-done
			return true
		}, class: generators.OK, body: large},
		{name: "early 200, then closed in order", spoil: func(c *net.TCPConn, _ io.Reader, _ <-chan struct{}) bool {
			_, _ = io.WriteString(c, ok+"Content-Length: 2\r\nConnection: close\r\n\r\nok")
			halfClose(c)
			return true
		}, class: generators.OK, body: large},
		{name: "reset before the body is read", spoil: func(c *net.TCPConn, _ io.Reader, _ <-chan struct{}) bool {
			resetConn(c)
			return true
		}, class: generators.Reset, body: large},
		{name: "reset unanswered", spoil: then("", resetConn), class: generators.Reset},
		{name: "reset in the header", spoil: then(ok+"Content-Len", resetConn), class: generators.Reset},
		{name: "reset mid-body", spoil: then(ok+"Content-Length: 9\r\n\r\nabc", resetConn), class: generators.Reset},
		{name: "reset between chunks", spoil: then(chunked+"3\r\nabc\r\n", resetConn), class: generators.Reset},

		{name: "half-close unanswered", spoil: then("", halfClose), class: generators.Reset},
		{name: "half-close in the header", spoil: then(ok, halfClose), class: generators.Reset},
		{name: "half-close mid-body", spoil: then(ok+"Content-Length: 9\r\n\r\nabc", halfClose), class: generators.Reset},
		{name: "half-close that ends the body", spoil: then(ok+"\r\nabc", halfClose), class: generators.OK},
		// Whether the next request is on its way before the end is seen is a
		// matter of luck, and the server counts none that it does not read; that
		// it gets no answer but its own is not.
		{name: "half-close after the answer", spoil: then(ok+"Content-Length: 2\r\n\r\nok", halfClose), class: generators.OK,
			next: []generators.Class{generators.OK, generators.Reset}},

		{name: "another protocol", spoil: say("SSH-2.0-OpenSSH_9.2p1\r\n"), class: generators.Protocol},
		{name: "HTTP/2 unasked", spoil: say("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), class: generators.Protocol, hangs: true},
		{name: "switches protocols", spoil: say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc"), class: generators.Protocol},
	} {
		for path, play := range paths {
			t.Run(test.name+"/"+path, func(t *testing.T) {
				leakCheck(t)
				srv := newHostile(t, test.spoil)
				c := Config{Post: srv.url + "/", Body: strings.Repeat("x", max(test.body, 1))}
				if test.hangs {
					c.Timeout = short
				}
				g, _ := generatorOf(t, c)
				const n = 6
				all := play(t, g, n)
				srv.finish()
				if len(all) != n {
					t.Fatalf("%d operations for %d arrivals", len(all), n)
				}
				var got []int
				for i, e := range all {
					switch {
					case test.next != nil && !slices.Contains(test.next, e.class):
						t.Errorf("operation %d: class %s (%v), want one of %s", i, e.class, e.err, test.next)
					case test.next != nil:
					case i%2 == 0 && e.class != test.class && !(test.class == generators.Protocol && test.hangs && e.class == generators.Timeout):
						t.Errorf("operation %d: class %s (%v), want %s", i, e.class, e.err, test.class)
					case i%2 == 1 && e.class != generators.OK:
						t.Errorf("operation %d, on a connection of its own: class %s: %v", i, e.class, e.err)
					case i%2 == 1:
						got = append(got, e.status)
					}
					if (e.err == nil) != (e.class == generators.OK) {
						t.Errorf("operation %d: class %s with error %v", i, e.class, e.err)
					}
				}
				srv.mu.Lock()
				if test.next == nil && !slices.Equal(got, srv.told) {
					t.Errorf("answers with statuses %v were taken for %v", srv.told, got)
				}
				srv.mu.Unlock()
				for end := time.Now().Add(20 * time.Second); srv.open.Load() > 0; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d connections are still open", srv.open.Load())
					}
				}
			})
		}
	}
}

// A server that ends its side of a connection before it is asked anything, and
// reads on, is no reason to wait for the timeout.
func TestEndedBeforeAsked(t *testing.T) {
	for path, play := range paths {
		t.Run(path, func(t *testing.T) {
			leakCheck(t)
			srv := serve(t, func(n int64, c *net.TCPConn, r *bufio.Reader) {
				if n == 1 {
					_ = c.CloseWrite()
					hold(c)
					return
				}
				for {
					if _, _, ok := readRequest(r); !ok {
						return
					}
					if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
						return
					}
				}
			})
			g, _ := generatorOf(t, Config{Post: srv.url + "/", Timeout: 10 * time.Minute})
			all := play(t, g, 3)
			for i, want := range []generators.Class{generators.Reset, generators.OK, generators.OK} {
				if all[i].class != want {
					t.Errorf("operation %d: class %s (%v), want %s", i, all[i].class, all[i].err, want)
				}
			}
		})
	}
}
