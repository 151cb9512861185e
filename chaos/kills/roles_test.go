//go:build e2e && linux

package kills

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A role is a target that has to be a process of its own, so that it can be
// killed. The test binary plays it: it says where it listens and lives until
// its standard input ends, so that it never outlives the tests.
const roleVariable = "BRUNT_KILLS_ROLE"

var roles = map[string]func() (address string, err error){
	"web": serveWeb, "tls": serveTLS, "flags": serveFlags, "names": serveNames, "echo": serveEcho, "pings": servePings, "idle": func() (string, error) { return "idle", nil },
}

func playRole(name string) error {
	role, ok := roles[name]
	if !ok {
		return fmt.Errorf("no role is called %s", name)
	}
	address, err := role()
	if err != nil {
		return err
	}
	fmt.Println(address)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A player is a process that plays a role.
type player struct {
	cmd     *exec.Cmd
	address string
	ended   chan struct{}
}

func (p *player) pid() int { return p.cmd.Process.Pid }

// play starts a role, with a prefix such as nsenter before it.
func play(t *testing.T, role string, prefix ...string) *player {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := append(prefix, exe)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("role %s: %v", role, err)
	}
	p := &player{cmd: cmd, address: strings.TrimSpace(line), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // some are killed
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = syscall.Kill(p.pid(), syscall.SIGCONT)
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-p.ended
		}
	})
	return p
}

func listenLoopback() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func serveWeb() (string, error) {
	l, err := listenLoopback()
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(webPage)) }()
	return l.Addr().String(), nil
}

// big is the length of /big.
const big = 1 << 20

func webPage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/big" {
		_, _ = w.Write(make([]byte, big))
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// serveTLS is the same over TLS, with a certificate that clients here do not
// ask about: the proxy shows its own.
func serveTLS() (string, error) {
	s := httptest.NewTLSServer(http.HandlerFunc(webPage))
	return s.Listener.Addr().String(), nil
}

// serveFlags is a feature flag: PUT sets it, DELETE unsets it, GET says.
func serveFlags() (string, error) {
	l, err := listenLoopback()
	if err != nil {
		return "", err
	}
	var on atomic.Bool
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				on.Store(r.Method == http.MethodPut)
			}
			fmt.Fprintf(w, `{"on": %t}`, on.Load())
		}))
	}()
	return l.Addr().String(), nil
}

// serveNames answers every question for an address with one.
func serveNames() (string, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 300}, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}}}
			}
			if text, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(text, from)
			}
		}
	}()
	return conn.LocalAddr().String(), nil
}

// The two ends of a pair of network namespaces.
const (
	nearAddress = "10.231.9.1"
	farAddress  = "10.231.9.2"
	echoPort    = "7009"
)

func serveEcho() (string, error) {
	conn, err := net.ListenPacket("udp", farAddress+":"+echoPort)
	if err != nil {
		return "", err
	}
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	return conn.LocalAddr().String(), nil
}

// servePings is who talks to the echo, all the time.
func servePings() (string, error) {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "udp", farAddress+":"+echoPort)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			if _, err := conn.Write([]byte("ping")); errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return conn.LocalAddr().String(), nil
}
