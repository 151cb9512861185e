//go:build linux

package lane

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
)

// What the kernel says is sorted as package http sorts it, so that a load
// means the same on both paths.
func TestClassify(t *testing.T) {
	for _, test := range []struct {
		errno            unix.Errno
		connecting, then generators.Class
	}{
		{unix.ECONNREFUSED, generators.Refused, generators.Refused},
		{unix.ECONNRESET, generators.Reset, generators.Reset},
		{unix.ETIMEDOUT, generators.Connect, generators.Reset},
		{unix.EHOSTUNREACH, generators.Connect, generators.Connect},
		{unix.ENETUNREACH, generators.Connect, generators.Connect},
		{unix.EPERM, generators.Connect, generators.Reset},  // a firewall on the way out
		{unix.EINVAL, generators.Connect, generators.Reset}, // a link-local address
		{unix.EADDRNOTAVAIL, generators.Local, generators.Local},
		{unix.EADDRINUSE, generators.Local, generators.Local},
		{unix.EMFILE, generators.Local, generators.Local},
	} {
		err := fmt.Errorf("it failed: %w", test.errno)
		if got := classifyConnect(err); got != test.connecting {
			t.Errorf("%v while connecting is %s, want %s", test.errno, got, test.connecting)
		}
		if got := classify(err); got != test.then {
			t.Errorf("%v afterwards is %s, want %s", test.errno, got, test.then)
		}
	}
}
