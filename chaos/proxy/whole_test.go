package proxy

import (
	"bytes"
	"io"
	"runtime"
	"testing"
	"time"
)

// waitFor waits until something that other goroutines do is seen.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

// A limit lets so many bytes through, not one more, and closes both ends.
func TestLimit(t *testing.T) {
	for _, test := range []struct {
		limit int64
		send  []string // each arrives, or not, before the next is sent
		want  string
	}{
		{10, []string{"01234", "56789", "abc"}, "0123456789"},
		{10, []string{"0123456789abcdef"}, "0123456789"},
		{10, []string{"012345678901234", "more"}, "0123456789"},
		{0, []string{"x"}, ""}, // the first byte is too much
	} {
		s, client, up := pair(t)
		s.must(t, Toxic{Type: limitType, Way: downstream, Bytes: test.limit})
		go func() {
			for _, text := range test.send {
				_, _ = io.WriteString(up, text) // the last ones find the connection closed
			}
		}()
		got, _ := io.ReadAll(client) // a reset may follow what was sent too much
		if string(got) != test.want {
			t.Errorf("limit %d: received %q, want %q", test.limit, got, test.want)
		}
		if n, err := io.Copy(io.Discard, up); n > 0 {
			t.Errorf("limit %d: upstream received %d bytes, %v", test.limit, n, err)
		}
		if cut := s.toxics()[0].cut.Load(); cut != 1 {
			t.Errorf("limit %d: %d connections were closed", test.limit, cut)
		}
	}
}

// What has passed counts from when the limit was set, for each connection by
// itself, whatever else is set meanwhile.
func TestLimitCounts(t *testing.T) {
	s, client, up := pair(t)
	send(t, up, "before, and never counted")
	expect(t, client, "before, and never counted")
	s.must(t, Toxic{Type: limitType, Way: downstream, Bytes: 8})
	send(t, up, "0123")
	expect(t, client, "0123")
	if err := s.inject("other", []Toxic{{Type: latencyType, Way: downstream, Delay: 1, Share: 1}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	send(t, up, "4567")
	expect(t, client, "4567")
	expectEnd(t, client)
}

// A timeout holds everything up and then closes the connection.
func TestTimeout(t *testing.T) {
	s, client, up := pair(t)
	s.must(t, Toxic{Type: timeoutType, Way: downstream, Delay: 30 * time.Millisecond})
	send(t, up, "never arrives")
	got, _ := io.ReadAll(client)
	if len(got) > 0 {
		t.Errorf("received %q", got)
	}
	_, _ = io.Copy(io.Discard, up)
	if cut := s.toxics()[0].cut.Load(); cut != 1 {
		t.Errorf("%d connections were closed", cut)
	}
}

// Taken away in time, a timeout lets go what it held; a closing one, as
// Toxiproxy's is, closes what it held up.
func TestTimeoutEnds(t *testing.T) {
	for name, closing := range map[string]bool{"goes on": false, "closes": true} {
		t.Run(name, func(t *testing.T) {
			s, client, up := pair(t)
			s.must(t, Toxic{Type: timeoutType, Way: downstream, Delay: time.Hour, Closing: closing})
			send(t, up, "held")
			s.expectHeld(t, 4)
			s.clear()
			if closing {
				if got, _ := io.ReadAll(client); len(got) > 0 {
					t.Errorf("received %q", got)
				}
				return
			}
			expect(t, client, "held")
		})
	}
}

// A reset with a delay lets connections live for that long.
func TestLateReset(t *testing.T) {
	s, client, up := pair(t)
	s.must(t, Toxic{Type: resetType, Delay: 20 * time.Millisecond})
	expectReset(t, client)
	expectReset(t, up)
	// A connection that ended before is none that was cut.
	waitFor(t, "no link", func() bool { return s.state().Connections == 0 })
	if cut := s.toxics()[0].cut.Load(); cut != 1 {
		t.Errorf("%d connections were cut", cut)
	}
}

// Half-open: one side is gone at once, and the other is not told until the
// toxic goes away.
func TestHalfOpen(t *testing.T) {
	for name, way := range map[string]Way{"upstream gone": upstream, "client gone": downstream} {
		t.Run(name, func(t *testing.T) {
			s, client, up := pair(t)
			send(t, client, "hello")
			expect(t, up, "hello")
			s.must(t, Toxic{Type: halfOpenType, Way: way})
			gone, left := up, client
			if way == downstream {
				gone, left = client, up
			}
			expectReset(t, gone)
			waitFor(t, "bytes taken", func() bool {
				send(t, left, "?")
				return s.toxics()[0].held.Load() > 0
			})
			if err := left.SetReadDeadline(longAgo); err != nil {
				t.Fatal(err)
			}
			if n, err := left.Read(make([]byte, 1)); n > 0 || !isTimeout(err) {
				t.Errorf("the side that is left received %d bytes, %v", n, err)
			}
			if err := left.SetReadDeadline(time.Now().Add(hang)); err != nil {
				t.Fatal(err)
			}
			s.clear()
			expectReset(t, left)
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(interface{ Timeout() bool })
	return ok && timeout.Timeout()
}

// A new connection to an upstream that is gone opens, and nothing comes of it.
// It may give up by itself.
func TestHalfOpenNew(t *testing.T) {
	s := serveOn(t, "127.0.0.1:1")
	s.must(t, Toxic{Type: halfOpenType, Way: upstream})
	client := connect(t, s)
	send(t, client, "hello")
	s.expectHeld(t, 5)
	_ = client.Close()
	waitFor(t, "no link", func() bool { return s.state().Connections == 0 })
	// A reset on top of it cuts what is left.
	client = connect(t, s)
	send(t, client, "again")
	s.expectHeld(t, 10)
	if err := s.inject("other", []Toxic{{Type: resetType, Share: 1, Delay: 0}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.clear()
	expectReset(t, client)
}

// Sliced, a text arrives whole, in pieces no larger than they should be.
func TestSlicer(t *testing.T) {
	s, client, up := pair(t)
	s.must(t, Toxic{Type: slicerType, Way: upstream, Bytes: 100, Variation: 50, Seed: 3})
	text := bytes.Repeat([]byte("0123456789"), 5000)
	go func() {
		_, _ = client.Write(text)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(up)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("received %d bytes, %v", len(got), err)
	}
	c := s.toxics()[0].counters()
	if mean := float64(c.Bytes) / float64(c.Pieces); mean < 90 || mean > 110 || c.Sliced < c.Pieces-2 {
		t.Errorf("pieces of %.1f bytes on average: %+v", mean, c)
	}
}
