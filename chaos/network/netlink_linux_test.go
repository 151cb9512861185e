package network

import (
	"encoding/hex"
	"testing"

	"golang.org/x/sys/unix"
)

// A verdict to a packet comes back as a packet's message would hold it.
func TestParsePackets(t *testing.T) {
	message := func(id uint32, hook byte) []byte {
		body := appendAttr(nil, 99, []byte("other")) // what we do not know is skipped, padding too
		body = append(body, appendAttr(nil, queueAttrHeader, []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id), 8, 0, hook})...)
		return appendMessage(nil, unix.NFNL_SUBSYS_QUEUE<<8|queueMessagePacket, 0, 0, unix.AF_INET, 7, body)
	}
	datagram := append(message(1, unix.NF_INET_PRE_ROUTING), message(0x01020304, unix.NF_INET_POST_ROUTING)...)
	packets, err := parsePackets(datagram, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []packet{{id: 1, inbound: true}, {id: 0x01020304}}
	if len(packets) != 2 || packets[0] != want[0] || packets[1] != want[1] {
		t.Errorf("packets %+v, want %+v", packets, want)
	}
	if _, err := parsePackets(datagram[:len(datagram)-1], nil); err == nil {
		t.Error("a datagram that was cut: no error")
	}
}

// The rule as iptables-nft writes it, but for the table and the bypass flag
// that it sets as well.
func TestCompatRule(t *testing.T) {
	got := hex.EncodeToString(compatRule("t", "c", 0x1234))
	var kinds []uint16
	err := eachMessage(compatRule("t", "c", 0x1234), func(kind uint16, _ uint32, body []byte) error {
		kinds = append(kinds, kind)
		if kind != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWRULE {
			return nil
		}
		attrs := body[filterHeader:]
		for _, step := range []uint16{unix.NFTA_RULE_EXPRESSIONS, unix.NFTA_LIST_ELEM, unix.NFTA_EXPR_DATA} {
			inner, err := attr(attrs, step)
			if err != nil {
				return err
			}
			attrs = inner
		}
		name, err := attr(attrs, unix.NFTA_TARGET_NAME)
		if err != nil || string(name) != "NFQUEUE\x00" {
			t.Errorf("target %q, %v", name, err)
		}
		info, err := attr(attrs, unix.NFTA_TARGET_INFO)
		if err != nil || len(info) != 8 {
			t.Errorf("info %x, %v", info, err)
		}
		return nil
	})
	if err != nil || len(kinds) != 3 || kinds[0] != unix.NFNL_MSG_BATCH_BEGIN || kinds[2] != unix.NFNL_MSG_BATCH_END {
		t.Errorf("messages %v, %v: %s", kinds, err, got)
	}
}

func TestEffectiveCapabilities(t *testing.T) {
	for text, want := range map[string]uint64{
		"Name:\tx\nCapInh:\t0000000000000001\nCapEff:\t0000000000001000\n": 1 << unix.CAP_NET_ADMIN,
		"CapEff:\t000001ffffffffff\n":                                      1<<41 - 1,
	} {
		if got, err := effectiveCapabilities(text); err != nil || got != want {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "CapEff:\tmany\n", "CapPrm:\t0\n"} {
		if _, err := effectiveCapabilities(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestSaid(t *testing.T) {
	for text, want := range map[string]string{
		"Error: No such file or directory\nlist table inet x\n": "No such file or directory",
		"/dev/stdin:8:1-3: Error: syntax error\n chain\n^^^\n":  "syntax error",
		"\nRTNETLINK answers: Operation not permitted\n":        "RTNETLINK answers: Operation not permitted",
		"": "",
	} {
		if got := said(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzParsePackets(f *testing.F) {
	f.Add(compatRule("t", "c", 7))
	f.Add(appendMessage(nil, unix.NFNL_SUBSYS_QUEUE<<8, 0, 0, 2, 7, appendAttr(nil, queueAttrHeader, make([]byte, 7))))
	f.Add([]byte{16, 0, 0, 0, 0, 3, 0, 0})
	f.Fuzz(func(_ *testing.T, datagram []byte) {
		_, _ = parsePackets(datagram, nil) // must not panic or hang
	})
}
