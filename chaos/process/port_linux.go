package process

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// listeners returns the processes that hold a socket listening on the TCP port
// on loopback or on all addresses, in this network namespace, in no order.
func listeners(port int) ([]int, error) {
	sockets := map[string]bool{}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		inodes, err := listeningInodes(file, port)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
		for _, inode := range inodes {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return nil, nil
	}
	pids, hidden, err := holders(sockets)
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 && hidden {
		return nil, fmt.Errorf("something listens on port %d, but it belongs to another user: root is needed to see which process", port)
	}
	return pids, nil
}

// listeningInodes reads a socket table for those that listen on the port.
func listeningInodes(table io.Reader, port int) ([]string, error) {
	var inodes []string
	lines := bufio.NewScanner(table)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		address, err := parseSocket(fields[1])
		if err != nil {
			return nil, err
		}
		if ip := address.Addr(); int(address.Port()) == port && (ip.IsLoopback() || ip.IsUnspecified()) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes, lines.Err()
}

// parseSocket reads an address as /proc/net/tcp has it: 32-bit words in the
// machine's byte order, in hexadecimal, a colon and the port. The machine is
// taken to be little-endian, as all are that brunt is built for.
func parseSocket(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("read socket address %.60q", text)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("read socket address %.60q", text)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), nil
}

// holders finds the processes that have one of the sockets open. Hidden says
// that there were processes which may not be looked into.
func holders(sockets map[string]bool) (pids []int, hidden bool, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, false, fmt.Errorf("list processes: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fds, err := os.ReadDir(procPath(pid, "/fd"))
		if err != nil {
			hidden = hidden || errors.Is(err, os.ErrPermission)
			continue // it has ended, or is not ours to look into
		}
		for _, fd := range fds {
			link, err := os.Readlink(procPath(pid, "/fd/"+fd.Name()))
			if err == nil && sockets[link] {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids, hidden, nil
}
