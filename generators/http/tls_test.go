package http

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/brunt-dev/brunt/generators"
)

// serveTLS starts an HTTPS server that answers with the name it was asked for.
func serveTLS(t testing.TB, config *tls.Config) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s %s %s", r.TLS.ServerName, tls.VersionName(r.TLS.Version), r.Proto)
	}))
	srv.TLS = config
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = discardLog()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// A session resumes its own TLS sessions and nobody else's.
func TestResume(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		name          string
		config        Config
		sessions      int
		full, resumed int64
	}{
		// Four connections a session; the first of each client knows nothing.
		{"by default", Config{}, 2, 2, 6},
		{"asked for", Config{TLS: TLS{Resume: &yes}}, 1, 1, 3},
		{"not wanted", Config{TLS: TLS{Resume: &no}}, 2, 8, 0},
		{"TLS 1.2", Config{TLS: TLS{MaxVersion: "1.2"}}, 1, 1, 3},
		{"HTTP/2", Config{Protocol: "h2"}, 2, 2, 6},
		{"with a name of its own", Config{TLS: TLS{ServerName: "other.test"}}, 1, 1, 3},
		// The client is then the shared connection.
		{"shared", Config{Connections: Connections{Max: 1}}, 3, 1, 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			var server atomic.Int64
			srv := serveTLS(t, &tls.Config{VerifyConnection: func(s tls.ConnectionState) error {
				if s.DidResume {
					server.Add(1)
				}
				return nil
			}})
			c := test.config
			c.Get, c.TLS.Insecure, c.Connections.KeepAlive = srv.URL, true, &no
			g, _ := generatorOf(t, c)
			for id := range test.sessions {
				s := openOf(t, g, id)
				for range 4 {
					if op := ok(t, s); op.TLS <= 0 {
						t.Error("the handshake was not recorded")
					}
				}
			}
			if full, resumed := g.Handshakes(); full != test.full || resumed != test.resumed {
				t.Errorf("%d full handshakes and %d resumed, want %d and %d", full, resumed, test.full, test.resumed)
			}
			if n := server.Load(); n != test.resumed {
				t.Errorf("the server saw %d sessions resumed, want %d", n, test.resumed)
			}
		})
	}
}

// A client stays connected to few servers, and remembers as few.
func TestTickets(t *testing.T) {
	var k tickets
	state := new(tls.ClientSessionState)
	for i := range maxHeld + 2 {
		k.Put(fmt.Sprint(i), state)
	}
	k.Put("5", state) // the newest now
	k.Put("6", nil)
	for name, want := range map[string]bool{"0": false, "1": false, "2": true, "5": true, "6": false, "9": true} {
		if _, got := k.Get(name); got != want {
			t.Errorf("ticket %s: %v, want %v", name, got, want)
		}
	}
	if len(k.kept) != maxHeld-1 {
		t.Errorf("%d tickets", len(k.kept))
	}
}

// Who is trusted, who is asked for and what is spoken.
func TestTLS(t *testing.T) {
	leakCheck(t)
	trusted, other := newAuthority(t), newAuthority(t)
	cert := trusted.issue(t, "shop.test")
	clientCert, clientKey := trusted.files(t, trusted.issue(t, "client"))
	strangerCert, strangerKey := other.files(t, other.issue(t, "stranger"))
	for _, test := range []struct {
		name   string
		host   string // 127.0.0.1 when empty
		server *tls.Config
		config Config
		class  generators.Class
		text   string // of the body when OK, else of the error
	}{
		{"trusted authority, by name", "shop.test", &tls.Config{}, Config{TLS: TLS{CA: trusted.file}}, generators.OK, "shop.test TLS 1.3 HTTP/2.0"},
		{"trusted authority, by address", "", &tls.Config{}, Config{TLS: TLS{CA: trusted.file}}, generators.OK, " TLS 1.3 HTTP/2.0"},
		{"wrong authority", "shop.test", &tls.Config{}, Config{TLS: TLS{CA: other.file}}, generators.TLS, "unknown authority"},
		{"the system's authorities", "shop.test", &tls.Config{}, Config{}, generators.TLS, "certificate"},
		{"unverified", "shop.test", &tls.Config{}, Config{TLS: TLS{Insecure: true}}, generators.OK, "shop.test"},
		{"a certificate for another name", "bank.test", &tls.Config{}, Config{TLS: TLS{CA: trusted.file}}, generators.TLS, "not bank.test"},
		{"another name asked for and verified", "bank.test", &tls.Config{}, Config{TLS: TLS{CA: trusted.file, ServerName: "shop.test"}}, generators.OK, "shop.test"},

		{"client certificate", "shop.test", &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted.pool()},
			Config{TLS: TLS{CA: trusted.file, Cert: clientCert, Key: clientKey}}, generators.OK, "shop.test"},
		{"client certificate missing", "shop.test", &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted.pool(), MaxVersion: tls.VersionTLS12},
			Config{TLS: TLS{CA: trusted.file}}, generators.TLS, "TLS handshake with shop.test"},
		{"client certificate of nobody", "shop.test", &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted.pool(), MaxVersion: tls.VersionTLS12},
			Config{TLS: TLS{CA: trusted.file, Cert: strangerCert, Key: strangerKey}}, generators.TLS, "TLS handshake with shop.test"},

		{"newest version", "shop.test", &tls.Config{}, Config{TLS: TLS{CA: trusted.file, MaxVersion: "1.2"}}, generators.OK, "TLS 1.2 HTTP/2.0"},
		{"a version that has no HTTP/2", "shop.test", &tls.Config{MinVersion: tls.VersionTLS10}, Config{TLS: TLS{CA: trusted.file, MinVersion: "1.1", MaxVersion: "1.1"}}, generators.OK, "TLS 1.1 HTTP/1.1"},
		{"server too old", "shop.test", &tls.Config{MaxVersion: tls.VersionTLS12}, Config{TLS: TLS{CA: trusted.file, MinVersion: "1.3"}}, generators.TLS, "protocol version"},
		{"server too new", "shop.test", &tls.Config{MinVersion: tls.VersionTLS13}, Config{TLS: TLS{CA: trusted.file, MaxVersion: "1.2"}}, generators.TLS, "protocol version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.server.Certificates = []tls.Certificate{cert}
			srv := serveTLS(t, test.server)
			c := test.config
			c.Get = srv.URL
			if test.host != "" {
				c.Get = strings.Replace(c.Get, "127.0.0.1", test.host, 1)
			}
			if test.class == generators.OK {
				c.Check = &Check{BodyContains: test.text}
			}
			g, _ := generatorOf(t, c)
			op := once(t, openOf(t, g, 0))
			if op.Class != test.class {
				t.Fatalf("class %s (%v), want %s", op.Class, op.Err, test.class)
			}
			if test.class != generators.OK && !strings.Contains(op.Err.Error(), test.text) {
				t.Errorf("error %q does not say %q", op.Err, test.text)
			}
		})
	}
	// TLS 1.3 servers say that they want a certificate after the handshake.
	t.Run("client certificate missing, said late", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, _ *bufio.Reader) {
			tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
			if err := tc.Handshake(); err == nil {
				t.Error("the handshake went through")
			}
			_, _ = io.Copy(io.Discard, c)
		})
		op := once(t, open(t, Config{Get: strings.Replace(srv.url, "http", "https", 1), TLS: TLS{CA: trusted.file}}))
		expectClass(t, op, generators.TLS, "certificate required")
	})
}
