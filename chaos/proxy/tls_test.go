package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// safe is a site over TLS, and a client that trusts it and makes a new
// connection for each request.
func safe(t *testing.T) (address string, client *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "safe over "+r.Proto) }))
	t.Cleanup(server.Close)
	client = server.Client()
	client.Timeout = hang
	transport := client.Transport.(*http.Transport)
	transport.DisableKeepAlives = true
	transport.TLSClientConfig.ServerName = "example.com"
	return server.Listener.Addr().String(), client
}

func get(c *http.Client, address string) (string, error) {
	response, err := c.Get("https://" + address)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// Each flaw is the one that a client sees, on new connections only and only
// while the toxic is set.
func TestTLSFaults(t *testing.T) {
	address, client := safe(t)
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	for _, test := range []struct {
		fault string
		seen  func(error) bool
	}{
		{tlsExpired, func(err error) bool { return errors.As(err, &invalid) && invalid.Reason == x509.Expired }},
		{tlsWrongHost, func(err error) bool { return errors.As(err, &host) }},
		{tlsSelfSigned, func(err error) bool { return errors.As(err, &unknown) }},
	} {
		t.Run(test.fault, func(t *testing.T) {
			s := serveOn(t, address)
			before := s.listener.Addr().String()
			if text, err := get(client, before); err != nil || text != "safe over HTTP/1.1" {
				t.Fatalf("before: %q, %v", text, err)
			}
			s.must(t, Toxic{Type: tlsType, TLS: &TLSRule{Fault: test.fault}})
			if _, err := get(client, before); !test.seen(err) {
				t.Errorf("during: %v", err)
			}
			waitFor(t, "the refusal", func() bool { return s.toxics()[0].counters().Refused == 1 })
			// A client that does not look is served.
			blind := client.Transport.(*http.Transport).Clone()
			blind.TLSClientConfig.InsecureSkipVerify = true
			if text, err := get(&http.Client{Transport: blind, Timeout: hang}, before); err != nil || text != "safe over HTTP/1.1" {
				t.Errorf("a client that does not verify: %q, %v", text, err)
			}
			if c := s.toxics()[0].counters(); c.Seen != 2 || c.Accepted != 1 {
				t.Errorf("counters %+v", c)
			}
			s.clear()
			if text, err := get(client, before); err != nil || text != "safe over HTTP/1.1" {
				t.Errorf("after: %q, %v", text, err)
			}
		})
	}
}

// With a CA that clients trust, nothing but the flaw asked for is wrong.
func TestTLSWithCA(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	rule := TLSRule{Fault: tlsWrongHost, CA: filepath.Join(t.TempDir(), "ca.pem"), CAKey: filepath.Join(t.TempDir(), "key.pem")}
	for path, block := range map[string]*pem.Block{rule.CA: {Type: "CERTIFICATE", Bytes: text}, rule.CAKey: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, client := safe(t)
	s := serveOn(t, address)
	s.must(t, Toxic{Type: tlsType, TLS: &rule})
	config := client.Transport.(*http.Transport).TLSClientConfig
	config.RootCAs.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text}))
	config.ServerName = "wrong-host.invalid"
	if text, err := get(client, s.listener.Addr().String()); err != nil || text != "safe over HTTP/1.1" {
		t.Errorf("by the name that it is for: %q, %v", text, err)
	}
	if _, err := newForger(TLSRule{Fault: tlsExpired, CA: "/none/such", CAKey: rule.CAKey}); err == nil {
		t.Error("no CA's file: no error")
	}
}

// A handshake that stalls goes on after the fault, and what is no TLS passes.
func TestTLSStall(t *testing.T) {
	address, client := safe(t)
	s := serveOn(t, address)
	s.must(t, Toxic{Type: tlsType, TLS: &TLSRule{Fault: tlsStall}})
	got := make(chan string, 1)
	go func() {
		text, err := get(client, s.listener.Addr().String())
		if err != nil {
			text = err.Error()
		}
		got <- text
	}()
	waitFor(t, "a handshake", func() bool { return s.toxics()[0].counters().Seen == 1 })
	s.clear()
	if text := <-got; text != "safe over HTTP/1.1" {
		t.Errorf("after: %s", text)
	}
	s, plain, up := pair(t, Toxic{Type: tlsType, TLS: &TLSRule{Fault: tlsExpired}})
	send(t, up, "welcome")
	expect(t, plain, "welcome")
	send(t, plain, "hello")
	expect(t, up, "hello")
	if c := s.toxics()[0].counters(); c.Unread != 1 || c.Seen != 0 {
		t.Errorf("counters %+v", c)
	}
}

// What a client and the upstream agree on, they still agree on.
func TestTLSProtocol(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	s := serveOn(t, server.Listener.Addr().String())
	s.must(t, Toxic{Type: tlsType, TLS: &TLSRule{Fault: tlsSelfSigned}})
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	text, err := get(&http.Client{Transport: transport, Timeout: hang}, s.listener.Addr().String())
	if err != nil || !strings.HasPrefix(text, "HTTP/2") {
		t.Errorf("%q, %v", text, err)
	}
}
