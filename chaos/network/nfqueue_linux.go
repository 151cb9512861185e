package network

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// queueLength is how many packets the kernel holds for us; those above it
	// pass undelayed.
	queueLength = 1 << 17
	// receiveBuffer is asked for the socket, in bytes.
	receiveBuffer = 16 << 20
)

// An nfqueue is a netfilter queue that this process listens to. Packets stay
// in the kernel; only their numbers go to and fro. Not safe for concurrent use.
type nfqueue struct {
	fd     int
	number uint16
	buffer []byte
	out    []byte
}

// A packet is one that waits in the kernel for a verdict.
type packet struct {
	id      uint32
	inbound bool
}

// openQueue takes the queue of that number in the calling thread's namespace.
// It fails when another process has it.
func openQueue(number uint16) (*nfqueue, error) {
	fd, err := openNetlink()
	if err != nil {
		return nil, err
	}
	q := &nfqueue{fd: fd, number: number, buffer: make([]byte, 64<<10)}
	if err := q.configure(); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open netfilter queue %d: %w", number, err)
	}
	return q, nil
}

func (q *nfqueue) configure() error {
	// A larger buffer and silence about overruns are welcome, not needed: the
	// kernel lets packets pass that it cannot tell us about.
	_ = unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer)
	_ = unix.SetsockoptInt(q.fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1)

	params := binary.BigEndian.AppendUint32(nil, 0) // of the packet itself, nothing is copied
	params = append(params, queueCopyMeta)
	for _, attrs := range [][]byte{
		appendAttr(nil, queueConfigCommand, []byte{queueBind, 0, 0, unix.AF_UNSPEC}),
		appendAttr(nil, queueConfigParams, params),
		uint32Attr(queueConfigLength, queueLength),
		append(uint32Attr(queueConfigFlags, queueFlagFailOpen|queueFlagGSO), uint32Attr(queueConfigMask, queueFlagFailOpen|queueFlagGSO)...),
	} {
		message := appendMessage(nil, unix.NFNL_SUBSYS_QUEUE<<8|queueMessageConfig, unix.NLM_F_ACK, 1, unix.AF_UNSPEC, q.number, attrs)
		if err := acknowledged(q.fd, message, 1); err != nil {
			return err
		}
	}
	return nil
}

// receive returns the packets that have come, without waiting; none when there
// are none.
func (q *nfqueue) receive(packets []packet) ([]packet, error) {
	n, _, err := unix.Recvfrom(q.fd, q.buffer, unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
		return packets, nil
	case err != nil:
		return packets, fmt.Errorf("read netfilter queue: %w", err)
	}
	return parsePackets(q.buffer[:n], packets)
}

// parsePackets appends the packets that a datagram tells of. Errors in it are
// answers to verdicts on packets that had gone already.
func parsePackets(datagram []byte, packets []packet) ([]packet, error) {
	err := eachMessage(datagram, func(kind uint16, _ uint32, body []byte) error {
		if kind != unix.NFNL_SUBSYS_QUEUE<<8|queueMessagePacket {
			return nil
		}
		if len(body) < filterHeader {
			return errShort
		}
		header, err := attr(body[filterHeader:], queueAttrHeader)
		if err != nil || len(header) < 7 { // packet_id, hw_protocol, hook
			return errShort
		}
		packets = append(packets, packet{id: binary.BigEndian.Uint32(header), inbound: header[6] == unix.NF_INET_PRE_ROUTING})
		return nil
	})
	return packets, err
}

// accept lets a packet go on its way.
func (q *nfqueue) accept(p packet) error {
	verdict := make([]byte, 0, 8)
	verdict = binary.BigEndian.AppendUint32(verdict, verdictAccept)
	verdict = binary.BigEndian.AppendUint32(verdict, p.id)
	var attrs [attrHeader + 8]byte
	q.out = appendMessage(q.out[:0], unix.NFNL_SUBSYS_QUEUE<<8|queueMessageVerdict, 0, 0, unix.AF_UNSPEC, q.number,
		appendAttr(attrs[:0], queueAttrVerdict, verdict))
	if err := unix.Sendto(q.fd, q.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("write netfilter queue: %w", err)
	}
	return nil
}

// close gives the queue back. Packets that still wait are dropped by the
// kernel; later ones bypass.
func (q *nfqueue) close() { _ = unix.Close(q.fd) }
