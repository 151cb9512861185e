package lane

import "golang.org/x/sys/unix"

// Acknowledged is how many of the bytes written to a TCP connection the other
// end's kernel has acknowledged, also once the connection is broken. It is not
// known of other sockets.
func Acknowledged(fd int) (bytes int64, known bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Bytes_acked == 0 {
		return 0, false // not TCP, or a kernel that does not count
	}
	return int64(info.Bytes_acked) - 1, true // less the SYN
}
