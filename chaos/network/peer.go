package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A peer is whom packets are exchanged with.
type peer struct {
	Prefix netip.Prefix `json:"prefix"`
	Port   uint16       `json:"port,omitempty"` // of the peer, TCP and UDP; 0: all, and other protocols too
}

func (p peer) String() string {
	text := p.Prefix.String()
	if p.Prefix.IsSingleIP() {
		text = p.Prefix.Addr().String()
	}
	if p.Port == 0 {
		return text
	}
	return net.JoinHostPort(text, strconv.Itoa(int(p.Port)))
}

// covers says whether all packets of q are packets of p.
func (p peer) covers(q peer) bool {
	return (p.Port == 0 || p.Port == q.Port) && p.Prefix.Bits() <= q.Prefix.Bits() && p.Prefix.Overlaps(q.Prefix)
}

// lastAddr is the highest address of a network.
func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw) // as long as an address always is
	return last
}

// everyone is all addresses there are.
var everyone = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// parsePeer reads one entry of to. Either prefixes or host is given: a host
// name has yet to be resolved.
func parsePeer(text string) (prefixes []netip.Prefix, host string, port uint16, err error) {
	if text == "" {
		return nil, "", 0, errors.New("it is empty")
	}
	if prefix, ok := parsePrefix(text); ok {
		return []netip.Prefix{prefix}, "", 0, nil
	}
	host = text
	if strings.Contains(text, ":") {
		var number string
		if host, number, err = net.SplitHostPort(text); err != nil {
			return nil, "", 0, fmt.Errorf("%q is no peer", text)
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return nil, "", 0, fmt.Errorf("%q is no port", number)
		}
		port = uint16(n)
	}
	if host == "" {
		return everyone, "", port, nil
	}
	if prefix, ok := parsePrefix(host); ok {
		return []netip.Prefix{prefix}, "", port, nil
	}
	if !validHost(host) {
		return nil, "", 0, fmt.Errorf("%q is no peer", text)
	}
	return nil, host, port, nil
}

// parsePrefix reads an address or a network. An address in it with host bits
// set means its network, as ip route takes it.
func parsePrefix(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil && !prefix.Addr().Is4In6() {
		return prefix.Masked(), true
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// validHost says whether the text can be a host name. One of digits and dots
// alone is a misspelt address.
func validHost(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return len(text) <= 253 && strings.Trim(text, letters+"0123456789-_.") == "" && strings.ContainsAny(text, letters)
}

// resolvePeers reads the entries of to and looks host names up, as the
// namespace does that brunt runs in. It returns them without duplicates and
// without those that another covers; empty means everyone.
func resolvePeers(ctx context.Context, entries []string) ([]peer, error) {
	var peers []peer
	for _, entry := range entries {
		prefixes, host, port, err := parsePeer(entry)
		if err != nil {
			return nil, err
		}
		if host != "" {
			addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			if err != nil {
				return nil, fmt.Errorf("look up %s: %w", host, err)
			}
			for _, addr := range addrs {
				addr = addr.Unmap().WithZone("")
				prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			}
		}
		for _, prefix := range prefixes {
			peers = append(peers, peer{Prefix: prefix, Port: port})
		}
	}
	return reduce(peers), nil
}

// reduce sorts the peers and drops those that another one covers: the kernel
// refuses overlapping elements.
func reduce(peers []peer) []peer {
	slices.SortFunc(peers, func(a, b peer) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), cmp.Compare(a.Port, b.Port))
	})
	peers = slices.Compact(peers)
	var kept []peer
	for _, p := range peers {
		if !slices.ContainsFunc(peers, func(q peer) bool { return q != p && q.covers(p) }) {
			kept = append(kept, p)
		}
	}
	return kept
}
