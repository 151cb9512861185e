package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A portWatch counts the local ports in use. A port of TCP is taken for each
// pair of a source address and an address of the target, so what can run out are
// the ports of the busiest such pair. One of UDP, which HTTP/3 goes over, is
// taken for all pairs with the source address; with one target that is the same.
//
// The kernel is asked for its sockets (sock_diag), which takes a millisecond
// for some thousands of them, and holds up a lane that has to share its core
// for longer. The next look waits for so many times as long as the last one had
// a processor (on a busy machine it may have waited for that for much longer):
// fewer times once the machine has many more sockets, which it counts itself.
type portWatch struct {
	soon, next time.Time
	sockets    int // at the last look
	count      int
	to         string
	limit      int
}

// How many times as long as a look took there is none.
const (
	restOfLook     = 400
	restWhileGrown = 100
	grown          = 8 // by one part in so many of the ports that the kernel hands out
)

// look returns the last known count, the peer that it is about, and how many
// ports the kernel hands out; zeros where the kernel does not say.
func (w *portWatch) look(now time.Time) (count int, to string, limit int) {
	if now.Before(w.soon) {
		return w.count, w.to, w.limit
	}
	sockets, counted := openSockets()
	if now.Before(w.next) && counted && sockets-w.sockets < w.limit/grown {
		return w.count, w.to, w.limit
	}
	low, high, ok := localPorts()
	if !ok {
		return 0, "", 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadCPU()
	pair, n, err := busiestPair(low, high)
	took := threadCPU() - before
	if err != nil {
		// No such kernel module, or no right to ask.
		w.count, w.to, w.limit, w.soon = 0, "", 0, now.Add(time.Hour)
		return 0, "", 0
	}
	w.sockets, w.count, w.to, w.limit = sockets, n, "", int(high)-int(low)+1
	if n > 0 {
		w.to = pair.to.String()
	}
	w.soon, w.next = now.Add(restWhileGrown*took), now.Add(restOfLook*took)
	return w.count, w.to, w.limit
}

// openSockets is how many there are of TCP and UDP in this network namespace,
// those that only wait for the end of their time included.
func openSockets() (n int, ok bool) {
	for _, file := range []string{"/proc/net/sockstat", "/proc/net/sockstat6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			for i := 1; i+1 < len(fields) && (strings.HasPrefix(fields[0], "TCP") || strings.HasPrefix(fields[0], "UDP")); i += 2 {
				if fields[i] == "inuse" || fields[i] == "tw" {
					if m, err := strconv.Atoi(fields[i+1]); err == nil {
						n, ok = n+m, true
					}
				}
			}
		}
	}
	return n, ok
}

// threadCPU is how long the calling thread has had a processor.
func threadCPU() time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		return time.Duration(time.Now().UnixNano()) // as good as it gets
	}
	return time.Duration(used.Nano())
}

// localPorts is the range that the kernel hands out.
func localPorts() (low, high uint16, ok bool) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return 0, 0, false
	}
	l, lerr := strconv.ParseUint(fields[0], 10, 16)
	h, herr := strconv.ParseUint(fields[1], 10, 16)
	return uint16(l), uint16(h), lerr == nil && herr == nil && l <= h
}

// An addressPair is what the ports of connections are counted for.
type addressPair struct {
	from netip.Addr
	to   netip.AddrPort
}

// The states of a TCP socket that the kernel's sock_diag knows by number
// (include/net/tcp_states.h).
const (
	tcpListen   = 10
	tcpStates   = 12 // all below
	tcpClose    = 7  // holds no port
	listening   = 1 << tcpListen
	holdingPort = (1<<tcpStates - 1) &^ (1 | listening | 1<<tcpClose)
	connected   = 1 << 1 // of UDP, which has no other state with a peer
)

// busiestPair finds the addresses between which the most local ports from low
// to high are in use, and how many.
func busiestPair(low, high uint16) (addressPair, int, error) {
	// Connections that came in here hold no port of their own: theirs is that
	// of the socket that listens.
	served := make(map[uint16]bool)
	err := eachSocket(unix.IPPROTO_TCP, listening, func(s socket) { served[s.port] = true })
	if err != nil {
		return addressPair{}, 0, err
	}
	inUse := make(map[addressPair]int)
	err = eachSocket(unix.IPPROTO_TCP, holdingPort, func(s socket) {
		if s.port >= low && s.port <= high && !served[s.port] {
			inUse[addressPair{s.from, s.to}]++
		}
	})
	if err != nil {
		return addressPair{}, 0, err
	}
	most, n := busiest(inUse, addressPair{}, 0)
	inUse = make(map[addressPair]int)
	err = eachSocket(unix.IPPROTO_UDP, connected, func(s socket) {
		if s.port >= low && s.port <= high {
			inUse[addressPair{s.from, s.to}]++
		}
	})
	if err == nil { // kernels may know of TCP alone
		most, n = busiest(inUse, most, n)
	}
	return most, n, nil
}

// busiest is the pair with the most ports, where it has more than another has.
func busiest(inUse map[addressPair]int, most addressPair, n int) (addressPair, int) {
	for pair, count := range inUse {
		if count > n || count == n && pair.to.Compare(most.to) < 0 {
			most, n = pair, count
		}
	}
	return most, n
}

// A socket is one socket of this network namespace.
type socket struct {
	port uint16
	from netip.Addr
	to   netip.AddrPort
}

// The messages of sock_diag(7), in the host's byte order but for ports and
// addresses.
type diagID struct {
	sourcePort, peerPort [2]byte
	source, peer         [16]byte
	device               uint32
	cookie               [2]uint32
}

type diagRequest struct {
	header           unix.NlMsghdr
	family, protocol uint8
	extensions, _    uint8
	states           uint32
	id               diagID
}

type diagAnswer struct {
	family, state, timer, retransmits uint8
	id                                diagID
	expires, received, unsent         uint32
	user, inode                       uint32
}

// eachSocket calls f with every socket of a protocol in one of the states.
func eachSocket(protocol uint8, states uint32, f func(socket)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	// The kernel answers at once; a bound all the same.
	patience := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return fmt.Errorf("set up sock_diag: %w", err)
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := askSockets(fd, family, protocol, states, f); err != nil {
			return fmt.Errorf("list sockets: %w", err)
		}
	}
	return nil
}

func askSockets(fd int, family, protocol uint8, states uint32, f func(socket)) error {
	request := diagRequest{family: family, protocol: protocol, states: states}
	request.header = unix.NlMsghdr{Len: uint32(unsafe.Sizeof(request)), Type: unix.SOCK_DIAG_BY_FAMILY, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP}
	text := unsafe.Slice((*byte)(unsafe.Pointer(&request)), unsafe.Sizeof(request))
	if err := unix.Sendto(fd, text, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := readSockets(buffer[:n], f)
		if done || err != nil {
			return err
		}
	}
}

// readSockets reads one datagram of answers; done is true after the last.
func readSockets(data []byte, f func(socket)) (done bool, err error) {
	for len(data) >= unix.SizeofNlMsghdr {
		header := (*unix.NlMsghdr)(unsafe.Pointer(&data[0]))
		if int(header.Len) < unix.SizeofNlMsghdr || int(header.Len) > len(data) {
			return true, errors.New("cut message")
		}
		body := data[unix.SizeofNlMsghdr:header.Len]
		switch {
		case header.Type == unix.NLMSG_DONE:
			return true, nil
		case header.Type == unix.NLMSG_ERROR && len(body) >= 4:
			return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		case header.Type == unix.SOCK_DIAG_BY_FAMILY && len(body) >= int(unsafe.Sizeof(diagAnswer{})):
			f(socketOf((*diagAnswer)(unsafe.Pointer(&body[0]))))
		}
		data = data[min(int(header.Len+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(data)):]
	}
	return false, nil
}

func socketOf(a *diagAnswer) socket {
	address := func(raw [16]byte) netip.Addr {
		if a.family == unix.AF_INET {
			return netip.AddrFrom4([4]byte(raw[:4]))
		}
		return netip.AddrFrom16(raw).Unmap()
	}
	return socket{
		port: binary.BigEndian.Uint16(a.id.sourcePort[:]), from: address(a.id.source),
		to: netip.AddrPortFrom(address(a.id.peer), binary.BigEndian.Uint16(a.id.peerPort[:])),
	}
}
