package http

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// A proxy is where all connections go first. Its name and password are in no
// error and in no report.
type proxy struct {
	socks          bool
	addr           string // host:port
	user, password string
	authorization  string // the value of Proxy-Authorization, "" for none
}

// parseProxy reads a proxy's URL. The message never quotes it: what stands
// where may be a secret.
func parseProxy(text string) (p *proxy, message string) {
	scheme, rest, ok := strings.Cut(text, "://")
	p = &proxy{}
	switch strings.ToLower(scheme) {
	case "http":
	case "socks5", "socks5h": // the name is resolved by the proxy in any case
		p.socks = true
	default:
		ok = false
	}
	if !ok {
		return nil, "a proxy is an http:// or a socks5:// URL"
	}
	rest = strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		p.user, p.password = unescaped(user), unescaped(password)
		rest = rest[at+1:]
		if p.socks && (len(p.user) > 255 || len(p.password) > 255 || p.user == "") {
			return nil, "a name or a password for a SOCKS5 proxy has 1 to 255 bytes"
		}
		if !p.socks {
			p.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
		}
	}
	if p.addr, ok = canonicalAddr(rest); !ok {
		return nil, "the host and port of the proxy are missing or malformed"
	}
	return p, ""
}

// unescaped undoes percent signs, where they are escapes at all: a password
// from the environment is seldom written for a URL.
func unescaped(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// forwards says whether the proxy takes requests to an endpoint as they are,
// with the whole URL in their first line, instead of a tunnel.
func (p *proxy) forwards(e endpoint, protocol string) bool {
	return !p.socks && !e.tls && protocol != "h2c"
}

// A viaError says that something failed on the way through a proxy, or behind.
type viaError struct {
	proxy string
	err   error
}

func (e viaError) Error() string { return e.err.Error() + " (via proxy " + e.proxy + ")" }
func (e viaError) Unwrap() error { return e.err }

// via marks an error with the proxy. What failed before is left as it is.
func (p *proxy) via(err error) error {
	if err == nil || errors.As(err, new(refusal)) {
		return err
	}
	return viaError{p.addr, err}
}

// A tunnelError is a proxy's refusal to make a tunnel, with its status. It is
// classed Status, as the same answer is to a request that goes through the
// proxy without a tunnel.
type tunnelError int

func (e tunnelError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy answered CONNECT with status %d %s", int(e), nethttp.StatusText(int(e))))
}

// tunnel makes a new connection to the proxy one to addr, by CONNECT or by
// SOCKS5. What it returns in place of nc holds what came after the proxy's
// answer already.
func (p *proxy) tunnel(ctx context.Context, nc net.Conn, addr string) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return nil, inStage("use the connection", err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(aLongTimeAgo()) })
	through, err := nc, error(nil)
	if p.socks {
		err = inStage("reach "+addr+" by SOCKS5", p.socks5(nc, addr))
	} else if through, err = p.connect(nc, addr); err != nil {
		err = inStage("reach "+addr+" by CONNECT", err)
	}
	if !stop() && err == nil {
		err = inStage("reach "+addr, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	return through, nc.SetDeadline(time.Time{})
}

// connect asks for a tunnel (RFC 9110 section 9.3.6).
func (p *proxy) connect(nc net.Conn, addr string) (net.Conn, error) {
	ask := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: brunt/1\r\n"
	if p.authorization != "" {
		ask += "Proxy-Authorization: " + p.authorization + "\r\n"
	}
	if _, err := io.WriteString(nc, ask+"\r\n"); err != nil {
		return nil, err
	}
	var w wire
	w.reset(nc)
	defer w.release()
	for {
		if err := w.readHead(); err != nil {
			return nil, err
		}
		if w.head.status >= 200 {
			break
		}
	}
	if w.head.status >= 300 {
		return nil, tunnelError(w.head.status)
	}
	if w.leftover() {
		return &primedConn{Conn: nc, rest: append([]byte{}, w.buf[w.r:w.w]...)}, nil
	}
	return nc, nil
}

// A primedConn begins with bytes that were read too early.
type primedConn struct {
	net.Conn
	rest []byte
}

func (c *primedConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// A socksError is the code with which a SOCKS5 proxy refuses a connection
// (RFC 1928 section 6).
type socksError byte

func (e socksError) Error() string {
	texts := [...]string{1: "the proxy failed", 2: "the proxy's rules forbid it", 3: "network unreachable", 4: "host unreachable",
		5: "connection refused", 6: "TTL expired", 7: "the proxy does not make connections", 8: "the proxy does not know this kind of address"}
	if int(e) < len(texts) {
		return texts[e]
	}
	return fmt.Sprintf("the proxy refused with code %d", byte(e))
}

func (e socksError) class() generators.Class {
	if e == 5 {
		return generators.Refused
	}
	return generators.Connect
}

// errSocksAuth is a SOCKS5 proxy that wants another way to know who it is, or
// knows somebody else by that name.
var errSocksAuth = errors.New("the proxy does not accept the name and password, or wants some")

// socks5 asks for a connection (RFC 1928), with a name and a password if there
// are some (RFC 1929). Host names are left to the proxy.
func (p *proxy) socks5(nc net.Conn, addr string) error {
	const version, noAuth, byPassword = 5, 0, 2
	hello := []byte{version, 1, noAuth}
	if p.user != "" {
		hello = []byte{version, 2, noAuth, byPassword}
	}
	answer, err := exchange(nc, hello, 2)
	if err != nil {
		return err
	}
	if answer[0] != version {
		return protocolError("the proxy does not speak SOCKS5")
	}
	switch {
	case answer[1] == noAuth:
	case answer[1] == byPassword && p.user != "":
		ask := append([]byte{1, byte(len(p.user))}, p.user...)
		ask = append(append(ask, byte(len(p.password))), p.password...)
		if answer, err = exchange(nc, ask, 2); err != nil {
			return err
		}
		if answer[1] != 0 {
			return errSocksAuth
		}
	default:
		return errSocksAuth
	}
	ask, err := socksRequest(addr)
	if err != nil {
		return err
	}
	if answer, err = exchange(nc, ask, 5); err != nil {
		return err
	}
	if answer[0] != version {
		return protocolError("the proxy does not speak SOCKS5")
	}
	if answer[1] != 0 {
		return socksError(answer[1])
	}
	// The address that the proxy connects from is of no interest, but it
	// stands before what the server says. Its first byte has been read.
	rest := 2 // the port
	switch answer[3] {
	case socksIPv4:
		rest += 3
	case socksIPv6:
		rest += 15
	case socksName:
		rest += int(answer[4])
	default:
		return protocolError("the proxy's answer holds no address")
	}
	_, err = exchange(nc, nil, rest)
	return err
}

const socksIPv4, socksName, socksIPv6 = 1, 3, 4

// socksRequest is the request for a connection to addr.
func socksRequest(addr string) ([]byte, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, localError{err}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, localError{err}
	}
	const version, connect, reserved = 5, 1, 0
	ask := []byte{version, connect, reserved}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip = ip.Unmap(); ip.Is4() {
			ask = append(ask, socksIPv4)
		} else {
			ask = append(ask, socksIPv6)
		}
		ask = append(ask, ip.AsSlice()...)
	} else {
		if len(host) > 255 {
			return nil, localError{errors.New("the host's name has more than 255 bytes")}
		}
		ask = append(append(ask, socksName, byte(len(host))), host...)
	}
	return binary.BigEndian.AppendUint16(ask, uint16(n)), nil
}

// exchange writes and reads exactly so many bytes.
func exchange(nc net.Conn, ask []byte, n int) ([]byte, error) {
	if len(ask) > 0 {
		if _, err := nc.Write(ask); err != nil {
			return nil, err
		}
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(nc, answer)
	return answer, err
}
