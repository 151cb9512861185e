//go:build !unix

package http

import "net"

// A probe would look whether an idle connection is still quiet; here there is
// no way to.
type probe struct{}

func newProbe(net.Conn) *probe { return nil }

func (p *probe) quiet() bool { return true }
