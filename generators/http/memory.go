package http

// What a session takes of brunt's memory where there are thousands, with small
// answers. Over HTTP/1.1 it is rounded up from runs (TestSoakSessions: 6.1 KB
// while it thinks and 6.8 KB in flight, all of brunt included; some 15 and 19 KB
// with TLS, of which 10 KB stay in use: 4 KB are buffers that crypto/tls does
// not give back, 2 KB its ciphers). For HTTP/2 and 3 it is BenchmarkIdleSession
// and what the collector leaves.
const (
	clearSession = 8 << 10
	tlsSession   = 20 << 10
	h2Session    = 48 << 10
	h3Session    = 80 << 10
)

// SessionMemory is how much a session takes, with a connection to one endpoint.
func (g *generator) SessionMemory() int64 {
	overTLS := false
	for _, a := range g.program.actions {
		if r := a.request; r != nil {
			overTLS = overTLS || r.link.fixed == nil || r.link.fixed.tls
		}
	}
	switch protocol := g.config.Protocol; {
	case protocol == "h3":
		return h3Session
	case protocol == "h2", protocol == "h2c", overTLS && protocol != "h1":
		return h2Session // servers that speak TLS mostly offer HTTP/2
	case overTLS:
		return tlsSession
	}
	return clearSession
}
