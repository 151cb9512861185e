package http

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// Of the addresses of a name the first has the word, but when the time is over
// that is what there is to say, whichever deadline noticed it first.
func TestAddressesInTurn(t *testing.T) {
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	late := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded} // of a socket: the context goes on
	for _, test := range []struct {
		name  string
		errs  []error // by address
		class generators.Class
	}{
		{"one, in time", []error{nil}, generators.OK},
		{"one, refused", []error{refused}, generators.Refused},
		{"one, out of time", []error{late}, generators.Timeout},
		{"two, both out of time", []error{late, late}, generators.Timeout},
		{"two, the second out of time", []error{refused, late}, generators.Timeout},
		{"two, the first out of its share", []error{late, refused}, generators.Connect},
		{"two, the second in time", []error{late, nil}, generators.OK},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		_, err := inTurn(ctx, []netip.Addr{one, two}[:len(test.errs)], func(_ context.Context, a netip.Addr) (int, error) {
			return 0, inStage("connect", test.errs[map[netip.Addr]int{two: 1}[a]])
		})
		cancel()
		class := generators.OK
		switch {
		case isTimeout(err):
			class = generators.Timeout
		case err != nil:
			class = classify(err)
		}
		if class != test.class {
			t.Errorf("%s: %s (%v), want %s", test.name, class, err, test.class)
		}
	}
}
