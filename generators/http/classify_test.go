package http

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/brunt-dev/brunt/generators"
)

// Errors that loopback does not give on demand.
func TestClassify(t *testing.T) {
	dial := func(no syscall.Errno) error {
		return inStage("connect to 10.0.0.1:80", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", no)})
	}
	read := func(no syscall.Errno) error {
		return inStage("read the answer", untaken{&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", no)}, true})
	}
	for _, test := range []struct {
		name string
		err  error
		want generators.Class
		text string
	}{
		{"out of files", &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, generators.Local, ""},
		{"out of files in the system", dial(syscall.ENFILE), generators.Local, ""},
		{"out of ports", dial(syscall.EADDRNOTAVAIL), generators.Local, "connect to 10.0.0.1:80: cannot assign requested address"},
		{"out of buffers", read(syscall.ENOBUFS), generators.Local, ""},
		{"no route", dial(syscall.EHOSTUNREACH), generators.Connect, "connect to 10.0.0.1:80: no route to host"},
		{"no network", dial(syscall.ENETUNREACH), generators.Connect, ""},
		{"no answer to SYN", dial(syscall.ETIMEDOUT), generators.Connect, ""},
		{"refused", dial(syscall.ECONNREFUSED), generators.Refused, "connect to 10.0.0.1:80: connection refused"},
		{"reset while connecting", dial(syscall.ECONNRESET), generators.Reset, ""},
		{"reset", read(syscall.ECONNRESET), generators.Reset, "read the answer: connection reset by peer"},
		{"peer gone", read(syscall.ETIMEDOUT), generators.Reset, ""},
		{"broken pipe", read(syscall.EPIPE), generators.Reset, ""},
		{"TLS alert", inStage("read the answer", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}), generators.TLS, "read the answer: tls: bad certificate"},
		{"stream refused", streamError{Code: 7}, generators.Reset, ""},
		{"stream of another protocol", streamError{Code: 1}, generators.Protocol, ""},
		{"connection gone away", errors.New("http2: server sent GOAWAY and closed the connection"), generators.Reset, ""},
		{"end of file", fmt.Errorf("x: %w", io.ErrUnexpectedEOF), generators.Reset, ""},
		{"feed", fmt.Errorf("x: %w", generators.ErrFeedEnded), generators.Local, ""},
		{"anything", errors.New("something"), generators.Other, ""},
	} {
		if got := classify(test.err); got != test.want {
			t.Errorf("%s: class %s, want %s", test.name, got, test.want)
		}
		if got := test.err.Error(); test.text != "" && got != test.text {
			t.Errorf("%s: %q, want %q", test.name, got, test.text)
		}
	}
}
