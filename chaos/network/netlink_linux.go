package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// What of <linux/netfilter/nfnetlink_queue.h> and <linux/netfilter/xt_NFQUEUE.h>
// package unix does not have.
const (
	queueMessagePacket  = 0 // NFQNL_MSG_PACKET
	queueMessageVerdict = 1 // NFQNL_MSG_VERDICT
	queueMessageConfig  = 2 // NFQNL_MSG_CONFIG

	queueAttrHeader  = 1 // NFQA_PACKET_HDR
	queueAttrVerdict = 2 // NFQA_VERDICT_HDR

	queueConfigCommand = 1 // NFQA_CFG_CMD
	queueConfigParams  = 2 // NFQA_CFG_PARAMS
	queueConfigLength  = 3 // NFQA_CFG_QUEUE_MAXLEN
	queueConfigMask    = 4 // NFQA_CFG_MASK
	queueConfigFlags   = 5 // NFQA_CFG_FLAGS

	queueBind         = 1 // NFQNL_CFG_CMD_BIND
	queueCopyMeta     = 1 // NFQNL_COPY_META
	queueFlagFailOpen = 1 // NFQA_CFG_F_FAIL_OPEN: a full queue lets packets pass
	queueFlagGSO      = 4 // NFQA_CFG_F_GSO: large packets come whole

	verdictAccept = 1 // NF_ACCEPT

	targetName     = "NFQUEUE"
	targetRevision = 3
	targetBypass   = 1 // NFQ_FLAG_BYPASS: nobody listens, packets pass
)

const (
	netlinkHeader = 16 // struct nlmsghdr
	filterHeader  = 4  // struct nfgenmsg
	attrHeader    = 4  // struct nlattr
	// ackBound is how long the kernel may take to answer.
	ackBound = 5 * time.Second
)

func align4(n int) int { return (n + 3) &^ 3 }

// appendMessage appends one nfnetlink message to b. Resource is the queue's
// number, or the subsystem of a batch.
func appendMessage(b []byte, kind, flags uint16, seq uint32, family uint8, resource uint16, attrs []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(netlinkHeader+filterHeader+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // to the kernel
	b = append(b, family, unix.NFNETLINK_V0)
	b = binary.BigEndian.AppendUint16(b, resource)
	return append(b, attrs...)
}

// appendAttr appends one attribute, padded.
func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attrHeader+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, align4(len(value))-len(value))...)
}

func nested(kind uint16, attrs []byte) []byte {
	return appendAttr(nil, kind|unix.NLA_F_NESTED, attrs)
}

func stringAttr(kind uint16, text string) []byte {
	return appendAttr(nil, kind, append([]byte(text), 0))
}

func uint32Attr(kind uint16, n uint32) []byte {
	return appendAttr(nil, kind, binary.BigEndian.AppendUint32(nil, n))
}

// errShort says that a message ends before it should.
var errShort = errors.New("netlink: message too short")

// eachMessage calls fn with each message of a datagram: its type, its sequence
// number and what follows its header.
func eachMessage(datagram []byte, fn func(kind uint16, seq uint32, body []byte) error) error {
	for len(datagram) > 0 {
		if len(datagram) < netlinkHeader {
			return errShort
		}
		size := int(binary.NativeEndian.Uint32(datagram))
		if size < netlinkHeader || size > len(datagram) {
			return errShort
		}
		kind, seq := binary.NativeEndian.Uint16(datagram[4:]), binary.NativeEndian.Uint32(datagram[8:])
		if err := fn(kind, seq, datagram[netlinkHeader:size]); err != nil {
			return err
		}
		datagram = datagram[min(align4(size), len(datagram)):]
	}
	return nil
}

// attr finds an attribute.
func attr(attrs []byte, kind uint16) ([]byte, error) {
	for len(attrs) >= attrHeader {
		size := int(binary.NativeEndian.Uint16(attrs))
		if size < attrHeader || size > len(attrs) {
			return nil, errShort
		}
		if binary.NativeEndian.Uint16(attrs[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return attrs[attrHeader:size], nil
		}
		attrs = attrs[min(align4(size), len(attrs)):]
	}
	return nil, errShort
}

// openNetlink opens a socket to netfilter in the calling thread's namespace.
func openNetlink() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, fmt.Errorf("open netlink: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("open netlink: %w", err)
	}
	return fd, nil
}

// acknowledged sends messages and waits until the kernel has answered the one
// with that sequence number.
func acknowledged(fd int, messages []byte, seq uint32) error {
	bound := unix.NsecToTimeval(int64(ackBound))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &bound); err != nil {
		return err
	}
	if err := unix.Sendto(fd, messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 16<<10)
	for answered := false; !answered; {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		err = eachMessage(buffer[:n], func(kind uint16, s uint32, body []byte) error {
			if kind != unix.NLMSG_ERROR {
				return nil
			}
			if len(body) < 4 {
				return errShort
			}
			if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
				return unix.Errno(-code)
			}
			answered = answered || s == seq
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addCompatRule appends to a chain the rule that hands packets to a queue, in
// the words of xtables: nft has none where the kernel lacks nftables' own. It
// acts in the calling thread's namespace.
func addCompatRule(table, chain string, number uint16) error {
	fd, err := openNetlink()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := acknowledged(fd, compatRule(table, chain, number), 2); err != nil {
		return fmt.Errorf("queue packets: no queue target in nftables or xtables: %w", err)
	}
	return nil
}

// compatRule is a transaction of three messages, numbered from 1.
func compatRule(table, chain string, number uint16) []byte {
	info := binary.NativeEndian.AppendUint16(nil, number) // struct xt_NFQ_info_v3, padded to eight bytes
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = binary.NativeEndian.AppendUint16(info, targetBypass)
	info = append(info, 0, 0)

	target := stringAttr(unix.NFTA_TARGET_NAME, targetName)
	target = append(target, uint32Attr(unix.NFTA_TARGET_REV, targetRevision)...)
	target = appendAttr(target, unix.NFTA_TARGET_INFO, info)
	expression := append(stringAttr(unix.NFTA_EXPR_NAME, "target"), nested(unix.NFTA_EXPR_DATA, target)...)

	rule := stringAttr(unix.NFTA_RULE_TABLE, table)
	rule = append(rule, stringAttr(unix.NFTA_RULE_CHAIN, chain)...)
	rule = append(rule, nested(unix.NFTA_RULE_EXPRESSIONS, nested(unix.NFTA_LIST_ELEM, expression))...)

	b := appendMessage(nil, unix.NFNL_MSG_BATCH_BEGIN, 0, 1, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	b = appendMessage(b, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND|unix.NLM_F_ACK, 2, unix.NFPROTO_INET, 0, rule)
	return appendMessage(b, unix.NFNL_MSG_BATCH_END, 0, 3, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
}
