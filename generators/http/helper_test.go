package http

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// discardLog is for servers whose complaints are the point of the test.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// writePEM writes a certificate to a file.
func writePEM(t testing.TB, der []byte) string {
	t.Helper()
	return writeBlock(t, "CERTIFICATE", der)
}

func writeBlock(t testing.TB, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, as PEM
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := a.sign(t, template, template)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, der)
	return a
}

// sign makes a certificate with a key of its own, which it leaves in a.key
// when the authority has none yet.
func (a *authority) sign(t testing.TB, template, parent *x509.Certificate) []byte {
	t.Helper()
	var err error
	if a.key == nil {
		if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue makes a certificate for a name and for 127.0.0.1, both for servers and
// for clients. It has the authority's own key, which is all the same here.
func (a *authority) issue(t testing.TB, name string) tls.Certificate {
	t.Helper()
	der := a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// files writes a certificate and its key.
func (a *authority) files(t testing.TB, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, c.Certificate[0]), writeBlock(t, "EC PRIVATE KEY", der)
}

// serverTLS is a server's configuration with one certificate.
func serverTLS(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

// pool is what trusts the authority.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// generatorOf makes a generator, with every name resolving to 127.0.0.1 and asked
// being the addresses that permission was wanted for.
func generatorOf(t testing.TB, c Config) (g *generator, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	made, err := New(c, generators.Env{Load: "test", Seed: 1, Allow: func(a string) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, a)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	g = made.(*generator)
	g.resolve = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return g, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, all...)
	}
}

// openOf opens a session that is closed with the test.
func openOf(t testing.TB, g generators.Generator, id int) generators.Session {
	t.Helper()
	s, err := g.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ok plays one arrival that must succeed.
func ok(t testing.TB, s generators.Session) generators.Op {
	t.Helper()
	op := once(t, s)
	if op.Class != generators.OK {
		t.Fatalf("class %s (%v)", op.Class, op.Err)
	}
	return op
}

// An h3Server serves HTTP/3 on loopback.
type h3Server struct {
	addr string
	tls  *tls.Config
	quic *quic.Config
	stop func()
}

// quietUDP keeps the server's socket from complaining about small buffers.
type quietUDP struct{ net.PacketConn }

func (quietUDP) SetReadBuffer(int) error  { return nil }
func (quietUDP) SetWriteBuffer(int) error { return nil }

// serveH3 starts a server; change may alter it before it does.
func serveH3(t testing.TB, a *authority, h nethttp.HandlerFunc, change func(*h3Server)) *h3Server {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &h3Server{addr: udp.LocalAddr().String(), tls: &tls.Config{Certificates: []tls.Certificate{a.issue(t, "shop.test")}}, quic: &quic.Config{Allow0RTT: true}}
	if change != nil {
		change(s)
	}
	tr := &quic.Transport{Conn: quietUDP{udp}}
	l, err := tr.ListenEarly(http3.ConfigureTLSConfig(s.tls), s.quic)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http3.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.ServeListener(l) })
	s.stop = sync.OnceFunc(func() {
		_ = srv.Close()
		_ = l.Close()
		_ = tr.Close()
		_ = udp.Close()
		wg.Wait()
	})
	t.Cleanup(s.stop)
	return s
}
