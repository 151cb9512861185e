package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tlsType spoils TLS handshakes of new connections: the proxy presents a
// certificate of its own making that is no good in one way, or holds the
// handshake up. Connections that do not begin with TLS pass untouched.
const tlsType = "tls"

// What can be wrong with a handshake.
const (
	tlsExpired    = "expired"
	tlsWrongHost  = "wrong_host"
	tlsSelfSigned = "self_signed"
	tlsStall      = "stall"
)

var tlsFaults = []string{tlsExpired, tlsWrongHost, tlsSelfSigned, tlsStall}

// handshakeBound is how long a handshake of the proxy's own may take.
const handshakeBound = 30 * time.Second

// TLSRule is what a TLS toxic does.
type TLSRule struct {
	Fault string `json:"fault"`
	CA    string `json:"ca,omitempty"` // path of a PEM file; empty: one that nobody knows
	CAKey string `json:"ca_key,omitempty"`
}

func checkTLS(t Toxic) error {
	switch {
	case t.TLS == nil || !slices.Contains(tlsFaults, t.TLS.Fault):
		return errors.New("it is not said what is wrong with handshakes")
	case (t.TLS.CA == "") != (t.TLS.CAKey == ""):
		return errors.New("a CA needs its key, and the key its CA")
	case t.TLS.CA != "" && t.TLS.Fault != tlsExpired && t.TLS.Fault != tlsWrongHost:
		return fmt.Errorf("%s needs no CA", t.TLS.Fault)
	}
	return nil
}

// A forger is a TLS toxic at work.
type forger struct {
	TLSRule
	key    *ecdsa.PrivateKey
	ca     *x509.Certificate // nil: the certificate signs itself
	caKey  any
	caText [][]byte

	mu    sync.Mutex
	cache map[string]*tls.Certificate // by host

	met      atomic.Int64 // handshakes begun
	refused  atomic.Int64 // that the client broke off
	accepted atomic.Int64 // that the client completed all the same
	missed   atomic.Int64 // connections without TLS
}

func newForger(r TLSRule) (*forger, error) {
	f := &forger{TLSRule: r, cache: map[string]*tls.Certificate{}}
	if r.Fault == tlsStall {
		return f, nil
	}
	var err error
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	switch {
	case r.CA != "":
		pair, err := tls.LoadX509KeyPair(r.CA, r.CAKey)
		if err != nil {
			return nil, fmt.Errorf("read CA: %w", err)
		}
		f.ca, f.caKey, f.caText = pair.Leaf, pair.PrivateKey, pair.Certificate
	case r.Fault != tlsSelfSigned:
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "brunt fault CA"},
			NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make CA: %w", err)
		}
		text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, fmt.Errorf("make CA: %w", err)
		}
		f.ca, f.caKey, f.caText = template, key, [][]byte{text}
	}
	return f, nil
}

// certificate is the bad one for a host.
func (f *forger) certificate(host string) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.cache[host]; c != nil {
		return c, nil
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	named := host
	switch f.Fault {
	case tlsExpired:
		template.NotAfter = time.Now().AddDate(0, 0, -1)
	case tlsWrongHost:
		named = "wrong-host.invalid"
		template.Subject.CommonName = named
	}
	if ip := net.ParseIP(named); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{named}
	}
	parent, signer := f.ca, f.caKey
	if parent == nil {
		parent, signer = template, f.key
	}
	text, err := x509.CreateCertificate(rand.Reader, template, parent, f.key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	if len(f.cache) > 1000 { // a client may ask for any name
		clear(f.cache)
	}
	c := &tls.Certificate{Certificate: append([][]byte{text}, f.caText...), PrivateKey: f.key}
	f.cache[host] = c
	return c, nil
}

// forger is the TLS toxic that hits a connection, or nil.
func (s toxicSet) forger(conn uint64) *active {
	for _, a := range s {
		if a.tls != nil && a.hits(conn) {
			return a
		}
	}
	return nil
}

// forge spoils a handshake, whose first bytes are in the source. A client that
// does not mind is served: what it says is passed on, over TLS again.
func (s *stream) forge(a *active) error {
	f := a.tls
	f.met.Add(1)
	if f.Fault == tlsStall {
		a.held.Add(int64(len(s.source.bytes())))
		select {
		case <-a.gone:
			s.begun = true
			return os.ErrDeadlineExceeded // and on it goes
		case <-s.link.dead:
			return errDead
		}
	}
	if !s.link.talk.join(s, talkTaken) {
		return os.ErrDeadlineExceeded
	}
	s.begun = true
	client, up := newWire(s, s.peer), newWire(s.peer, s)
	defer s.link.talk.yield()
	defer up.leave()
	defer client.leave()
	ctx, cancel := context.WithTimeout(context.Background(), handshakeBound)
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { s.link.cut() })
	host, _, err := net.SplitHostPort(s.from.LocalAddr().String())
	if err != nil {
		return err
	}
	var secured *tls.Conn
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name := hello.ServerName
		if name == "" {
			name = host
		}
		certificate, err := f.certificate(name)
		if err != nil {
			return nil, err
		}
		chosen := &tls.Config{Certificates: []tls.Certificate{*certificate}}
		// Whether the upstream's certificate is good is not what this is about.
		attempt := tls.Client(up, &tls.Config{ServerName: hello.ServerName, NextProtos: hello.SupportedProtos, InsecureSkipVerify: true})
		if err := attempt.HandshakeContext(hello.Context()); err != nil {
			return chosen, nil // the client is to see the certificate all the same
		}
		secured = attempt
		if protocol := attempt.ConnectionState().NegotiatedProtocol; protocol != "" {
			chosen.NextProtos = []string{protocol}
		}
		return chosen, nil
	}}
	server := tls.Server(client, config)
	err = server.HandshakeContext(ctx)
	unwatch()
	if err != nil {
		f.refused.Add(1)
		return nil
	}
	f.accepted.Add(1)
	if secured == nil {
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() { relay(secured, server) })
	relay(server, secured)
	wg.Wait()
	return nil
}

// relay copies one way of a connection, and its end.
func relay(to, from *tls.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}
