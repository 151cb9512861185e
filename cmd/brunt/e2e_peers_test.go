//go:build e2e

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
)

// `make e2e-peers` runs these, against servers and proxies that other people
// wrote: nginx, tinyproxy, microsocks, and ngtcp2's HTTP/3 server.

// requests is how many arrivals each case plays, one after the other.
const requests = 40

// A peerage is nginx, in all the ways it can be reached.
type peerage struct {
	dir                      string
	plain, tls, mutual, also string // its addresses; also is a second one with TLS
	log                      string
}

// listening starts a command that is ended with the test, and waits until it
// listens at the address.
func listening(t *testing.T, network, address, name string, args ...string) {
	t.Helper()
	exe, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: make e2e-peers installs it", name)
	}
	var output strings.Builder
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", name, output.String())
		}
	})
	if network == "udp" {
		return // nobody can ask a UDP port; brunt's own timeout waits for it
	}
	until(t, 10*time.Second, name+" listens", func() bool {
		c, err := net.Dial(network, address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func unusedPort(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certify writes an authority (ca.pem), a server's certificate for shop.test
// and 127.0.0.1 (server.pem, server.key), and a client's (client.pem,
// client.key).
func certify(t *testing.T, dir string) {
	t.Helper()
	var authority *x509.Certificate
	var authorityKey *ecdsa.PrivateKey
	for i, name := range []string{"ca", "server", "client"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		if authority == nil {
			c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
			authority, authorityKey = c, key
		} else {
			c.DNSNames, c.IPAddresses = []string{"shop.test"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, authority, &key.PublicKey, authorityKey)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		write(t, dir, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	}
}

func startPeerage(t *testing.T) *peerage {
	t.Helper()
	p := &peerage{dir: t.TempDir(), plain: unusedPort(t, "tcp"), tls: unusedPort(t, "tcp"), mutual: unusedPort(t, "tcp"), also: unusedPort(t, "tcp")}
	p.log = filepath.Join(p.dir, "access.log")
	certify(t, p.dir)
	conf := write(t, p.dir, "nginx.conf", fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 512; }
http {
  log_format seen '$arg_case to=$server_port from=$remote_addr $server_protocol reused=$ssl_session_reused verify=$ssl_client_verify name=$ssl_server_name via=$http_via';
  access_log %[1]s/access.log seen;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  ssl_certificate %[1]s/server.pem;
  ssl_certificate_key %[1]s/server.key;
  ssl_session_cache shared:seen:1m;
  server { listen %[2]s; listen unix:%[1]s/nginx.sock; location / { return 200 "plain\n"; } }
  server { listen %[3]s ssl http2; location / { return 200 "tls\n"; } }
  server { listen %[4]s ssl; ssl_client_certificate %[1]s/ca.pem; ssl_verify_client on; location / { return 200 "mutual\n"; } }
  server { listen %[5]s ssl; location / { return 200 "also\n"; } }
}
`, p.dir, p.plain, p.tls, p.mutual, p.also))
	listening(t, "tcp", p.plain, "nginx", "-c", conf, "-p", p.dir)
	return p
}

// play plays one load of one session and gives its report and what nginx saw.
func (p *peerage) play(t *testing.T, name, load string, hosts ...string) (*reports.Load, []string) {
	t.Helper()
	run := filepath.Join(t.TempDir(), "run")
	quoted := make([]string, len(hosts))
	for i, h := range hosts {
		quoted[i] = fmt.Sprintf("%q", h)
	}
	scenario := write(t, p.dir, name+".yaml", fmt.Sprintf(`version: 1
name: %s
target: { hosts: [%s] }
loads:
  web: { max_in_flight: 1, http: { %s } }
phases:
  - { name: all, for: 2s, load: { web: %d/s }, expect: [ web.errors < 0.1%% ] }
report: [json]
`, name, strings.Join(quoted, ", "), load, requests/2))
	_, wait := start(t, "run", scenario, "--out", run)
	got := wait()
	recorded, err := journal.Open(run)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
	}
	l := reports.Build(recorded).Loads["web"]
	if l.Offered != requests || l.Completed != requests || len(l.Errors) > 0 {
		t.Errorf("offered %d, completed %d, errors %v %+v", l.Offered, l.Completed, l.Errors, l.Samples)
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, name+" ") {
			seen = append(seen, strings.TrimSpace(line))
		}
	}
	return l, seen
}

// expectSeen checks how many of the requests that nginx saw hold a text.
func expectSeen(t *testing.T, seen []string, text string, want int) {
	t.Helper()
	n := 0
	for _, line := range seen {
		if strings.Contains(line+" ", text) {
			n++
		}
	}
	if n != want {
		t.Errorf("nginx saw %q in %d requests of %d, want %d; the last: %q", text, n, len(seen), want, append(seen, "none")[max(len(seen)-1, 0)])
	}
}

func port(address string) string { return address[strings.LastIndex(address, ":"):][1:] }

func TestPeersTLS(t *testing.T) {
	p := startPeerage(t)
	const fresh = `connections: { keep_alive: false }, `
	t.Run("resumption", func(t *testing.T) {
		l, seen := p.play(t, "resume", fresh+fmt.Sprintf(`get: "https://%s/?case=resume", protocol: h1, tls: { ca: ca.pem }`, p.tls), p.tls)
		if l.Handshakes == nil || l.Handshakes.Full != 1 || l.Handshakes.Resumed != requests-1 {
			t.Errorf("handshakes %+v", l.Handshakes)
		}
		expectSeen(t, seen, "reused=r ", requests-1)
	})
	t.Run("no resumption", func(t *testing.T) {
		l, seen := p.play(t, "full", fresh+fmt.Sprintf(`get: "https://%s/?case=full", protocol: h1, tls: { ca: ca.pem, resume: false }`, p.tls), p.tls)
		if l.Handshakes == nil || l.Handshakes.Full != requests || l.Handshakes.Resumed != 0 {
			t.Errorf("handshakes %+v", l.Handshakes)
		}
		expectSeen(t, seen, "reused=. ", requests)
	})
	t.Run("client certificate", func(t *testing.T) {
		_, seen := p.play(t, "mutual", fmt.Sprintf(`get: "https://%s/?case=mutual", check: { body_contains: mutual }, tls: { ca: ca.pem, cert: client.pem, key: client.key }`, p.mutual), p.mutual)
		expectSeen(t, seen, "verify=SUCCESS ", requests)
	})
	t.Run("HTTP/2 by ALPN", func(t *testing.T) {
		_, seen := p.play(t, "alpn", fmt.Sprintf(`get: "https://%s/?case=alpn", tls: { ca: ca.pem }`, p.tls), p.tls)
		expectSeen(t, seen, " HTTP/2.0 ", requests)
	})
	t.Run("server name", func(t *testing.T) {
		_, seen := p.play(t, "sni", fmt.Sprintf(`get: "https://%s/?case=sni", tls: { ca: ca.pem, server_name: shop.test }`, p.tls), p.tls)
		expectSeen(t, seen, "name=shop.test ", requests)
	})
}

func TestPeersRoutes(t *testing.T) {
	p := startPeerage(t)
	t.Run("unix socket", func(t *testing.T) {
		sock := filepath.Join(p.dir, "nginx.sock")
		_, seen := p.play(t, "unix", fmt.Sprintf(`get: "http://shop.test/?case=unix", unix: %q`, sock), "unix:"+sock)
		expectSeen(t, seen, "from=unix: ", requests)
	})
	t.Run("source addresses", func(t *testing.T) {
		_, seen := p.play(t, "source", fmt.Sprintf(`get: "http://%s/?case=source", source: [127.0.0.2, 127.0.0.3], connections: { keep_alive: false }`, p.plain), p.plain)
		expectSeen(t, seen, "from=127.0.0.2 ", requests/2)
		expectSeen(t, seen, "from=127.0.0.3 ", requests/2)
	})
	t.Run("connect_to", func(t *testing.T) {
		_, seen := p.play(t, "spread", fmt.Sprintf(`get: "https://shop.test/?case=spread", tls: { ca: ca.pem }, connections: { keep_alive: false }, connect_to: { "shop.test:443": [%q, %q] }`, p.tls, p.also), "shop.test:443", p.tls, p.also)
		expectSeen(t, seen, "to="+port(p.tls)+" ", requests/2)
		expectSeen(t, seen, "to="+port(p.also)+" ", requests/2)
		expectSeen(t, seen, "name=shop.test ", requests)
	})
}

func TestPeersProxies(t *testing.T) {
	p := startPeerage(t)
	http, socks := unusedPort(t, "tcp"), unusedPort(t, "tcp")
	log := filepath.Join(p.dir, "tinyproxy.log")
	listening(t, "tcp", http, "tinyproxy", "-d", "-c", write(t, p.dir, "tinyproxy.conf",
		fmt.Sprintf("Listen 127.0.0.1\nPort %s\nLogFile %q\nLogLevel Connect\nMaxClients 50\nBasicAuth loader secret\n", port(http), log)))
	// From an address of its own, so that nginx can tell.
	listening(t, "tcp", socks, "microsocks", "-i", "127.0.0.1", "-p", port(socks), "-u", "loader", "-P", "secret", "-b", "127.0.0.9")
	t.Run("HTTP CONNECT", func(t *testing.T) {
		p.play(t, "connect", fmt.Sprintf(`get: "https://%s/?case=connect", tls: { ca: ca.pem }, proxy: "http://loader:secret@%s"`, p.tls, http), p.tls, http)
		text, err := os.ReadFile(log)
		if err != nil || !strings.Contains(string(text), "CONNECT "+p.tls) {
			t.Errorf("the proxy's log does not tell of CONNECT: %v\n%s", err, text)
		}
	})
	t.Run("HTTP forwarded", func(t *testing.T) {
		_, seen := p.play(t, "forward", fmt.Sprintf(`get: "http://%s/?case=forward", proxy: "http://loader:secret@%s"`, p.plain, http), p.plain, http)
		expectSeen(t, seen, "tinyproxy", requests)
	})
	t.Run("SOCKS5", func(t *testing.T) {
		_, seen := p.play(t, "socks", fmt.Sprintf(`get: "https://%s/?case=socks", tls: { ca: ca.pem }, proxy: "socks5://loader:secret@%s"`, p.tls, socks), p.tls, socks)
		expectSeen(t, seen, "from=127.0.0.9 ", requests)
	})
}

// ngtcp2's server shares no code with the library that brunt speaks HTTP/3 with.
func TestPeersHTTP3(t *testing.T) {
	p := &peerage{dir: t.TempDir()}
	p.log = write(t, p.dir, "access.log", "")
	certify(t, p.dir)
	write(t, p.dir, "index.html", "over QUIC\n")
	at := unusedPort(t, "udp")
	listening(t, "udp", at, "gtlsserver", "-q", "-d", p.dir, "127.0.0.1", port(at), filepath.Join(p.dir, "server.key"), filepath.Join(p.dir, "server.pem"))
	l, _ := p.play(t, "h3", fmt.Sprintf(`get: "https://%s/index.html", protocol: h3, check: { status: 200, body_contains: QUIC }, tls: { ca: ca.pem }, connections: { max_requests: 10 }`, at), at)
	if l.Handshakes == nil || l.Handshakes.Full+l.Handshakes.Resumed != requests/10 || l.Handshakes.Full < 1 {
		t.Errorf("handshakes %+v", l.Handshakes)
	}
	if l.BytesIn == 0 || l.TLS == nil {
		t.Errorf("%d bytes in, TLS %v", l.BytesIn, l.TLS)
	}
}
