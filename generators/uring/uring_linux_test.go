//go:build linux

package uring

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// needRing fails where the kernel does not let us have io_uring: this machine
// cannot say whether brunt is right about it.
func needRing(t *testing.T, n int) *Ring {
	t.Helper()
	r, err := New(n)
	if err != nil {
		t.Fatalf("%v (see kernel.io_uring_disabled, or the container's seccomp profile)", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func socketPair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// Each socket gets what was put for it, and each result is its own, however
// often the queues go round.
func TestRing(t *testing.T) {
	r := needRing(t, 8)
	var ours, theirs [8]int
	for i := range ours {
		ours[i], theirs[i] = socketPair(t)
	}
	const full, gone = 3, 5
	for {
		if _, err := unix.Write(ours[full], make([]byte, 4096)); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Shutdown(theirs[gone], unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1024)
	for round := range 100 {
		n := 1 + round%len(ours)
		text := bytes.Repeat([]byte{byte('a' + round%26)}, 10+round)
		for i := range n {
			r.Put(i, int32(ours[i]), text[:10+i])
		}
		results := make([]int32, n)
		if err := r.Send(results); err != nil {
			t.Fatal(err)
		}
		for i, got := range results {
			want := int32(10 + i)
			switch i {
			case full:
				want = -int32(unix.EAGAIN)
			case gone:
				want = -int32(unix.EPIPE)
			}
			if got != want {
				t.Fatalf("round %d: send %d gave %d, want %d", round, i, got, want)
			}
			if i == full || i == gone {
				continue
			}
			if n, err := unix.Read(theirs[i], buffer); err != nil || !bytes.Equal(buffer[:n], text[:10+i]) {
				t.Fatalf("round %d: socket %d read %q, %v", round, i, buffer[:max(n, 0)], err)
			}
		}
	}
}
