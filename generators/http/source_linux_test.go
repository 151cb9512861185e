package http

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Sockets that have a source address leave the choice of the port to connect.
func TestLateBind(t *testing.T) {
	url, _ := recorder(t)
	addr := netip.MustParseAddrPort(strings.TrimPrefix(url, "http://"))
	_, port, _ := net.SplitHostPort(addr.String())
	for _, test := range []struct {
		source []string
		late   int
	}{{nil, 0}, {[]string{"127.0.0.2"}, 1}} {
		g, _ := generatorOf(t, Config{Get: url, Source: test.source})
		for _, network := range []string{"tcp", "udp"} {
			nc, err := g.connect(t.Context(), network, addr.Addr(), port)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			raw, err := nc.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) {
				late, err := unix.GetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT)
				if err != nil || late != test.late {
					t.Errorf("%s from %v: option %d (%v), want %d", network, test.source, late, err, test.late)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
