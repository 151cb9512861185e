package shop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

// freePorts finds n TCP ports on loopback at which nothing listens now.
//
// Some of them will be bound much later: a replica that the autoscaler adds,
// one that was killed and comes back. By then a load test has been opening
// connections, and the kernel would have handed such a port to one of them, so
// they are taken from outside its range for that.
func freePorts(n int) ([]int, error) {
	low, high := portRange(ephemeralPorts())
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	var ports []int
	for range 100 * n {
		port := low + rand.IntN(high-low+1)
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue // taken; by us, perhaps
		}
		held = append(held, l)
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("find free ports on 127.0.0.1: hardly any left")
}

// portRange gives the widest range of unprivileged ports that the kernel does
// not hand out by itself, or all of them when that leaves too little.
func portRange(ephemeralLow, ephemeralHigh int) (low, high int) {
	const first, last, enough = 10000, 65535, 2000
	below, above := ephemeralLow-first, last-ephemeralHigh
	switch {
	case below >= above && below >= enough:
		return first, ephemeralLow - 1
	case above >= enough:
		return ephemeralHigh + 1, last
	}
	return first, last
}

// ephemeralPorts is the range from which the kernel takes the local ports of
// outgoing connections.
func ephemeralPorts() (low, high int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if _, err := fmt.Sscan(string(text), &low, &high); err == nil {
			return low, high
		}
	}
	return 49152, 65535 // IANA's, which other systems follow
}
