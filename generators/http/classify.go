package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// A stageError says what was being done when something failed. It leaves out
// the addresses that net puts into its errors: with a port of its own in every
// message no two failures would look the same in a report.
type stageError struct {
	stage string
	err   error
}

func inStage(stage string, err error) error {
	if err == nil {
		return nil
	}
	return &stageError{stage, err}
}

func (e *stageError) Unwrap() error { return e.err }

// bare is an error without its stages, whose text leaves nothing out.
func bare(err error) error {
	for s := (*stageError)(nil); errors.As(err, &s); {
		err = s.err
	}
	return err
}

// stageOf is what was being done when err happened, "" when it does not say.
func stageOf(err error) string {
	var s *stageError
	if errors.As(err, &s) {
		return s.stage
	}
	return ""
}

func (e *stageError) Error() string {
	err := e.err
	for {
		var op *net.OpError
		if !errors.As(err, &op) || op.Err == nil {
			break
		}
		err = op.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "http2: "), "http3: ")
	return e.stage + ": " + text
}

// A timeoutError says what an operation was waiting for when its time was up.
type timeoutError struct {
	after time.Duration
	err   error
}

func (e *timeoutError) Unwrap() error { return e.err }
func (e *timeoutError) Timeout() bool { return true }

func (e *timeoutError) Error() string {
	text := fmt.Sprintf("no full answer within %v", e.after)
	if stage := stageOf(e.err); stage != "" {
		text += ": " + stage
	}
	var via viaError
	if errors.As(e.err, &via) {
		text += " (via proxy " + via.proxy + ")"
	}
	return text
}

// streamError has the shape of the error with which net/http's HTTP/2 says
// that one stream was reset; errors.As fills it in.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("HTTP/2 stream reset with code %d", e.Code) }

// h2ProtocolError is PROTOCOL_ERROR (RFC 9113 section 7).
const h2ProtocolError = 1

// classify sorts an error by what a person would do about it.
//
//   - Local: brunt's own side. Out of files, ports or memory; an address
//     outside the target; a feed without more rows.
//   - DNS, Refused, Connect: no connection.
//   - TLS: the handshake failed for another reason than the connection
//     breaking, or the server ended the session with an alert.
//   - Reset: the connection was reset, or closed before the answer was whole.
//   - Protocol: the answer was no valid HTTP.
//   - Status: a proxy answered CONNECT with another status than 2xx. What it
//     answers to a request that it forwards is the answer to that request.
//   - A SOCKS5 proxy's own codes: 5 is Refused, all others are Connect, and so
//     is a name or a password that it does not accept.
//
// Timeout and Canceled are decided by the caller, who knows the clock.
func classify(err error) generators.Class {
	var (
		refused   refusal
		check     checkError
		protocol  protocolError
		dns       *net.DNSError
		handshake handshakeError
		header    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		unknownCA x509.UnknownAuthorityError
		op        *net.OpError
		stream    streamError
		local     localError
		nobody    noListener
		tunnel    tunnelError
		socks     socksError
	)
	if class, ok := classifyQUIC(err); ok {
		return class
	}
	switch {
	case errors.As(err, &refused), errors.As(err, &local), errors.Is(err, generators.ErrFeedEnded),
		isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ENOBUFS, syscall.ENOMEM):
		return generators.Local
	case errors.As(err, &check):
		return generators.Check
	case errors.As(err, &dns):
		return generators.DNS
	case errors.As(err, &tunnel):
		return generators.Status
	case errors.As(err, &socks):
		return socks.class()
	case errors.Is(err, errSocksAuth):
		return generators.Connect
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &nobody):
		return generators.Refused
	case isAny(err, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED),
		errors.Is(err, errClosedEarly), errors.Is(err, errCut),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return generators.Reset
	case errors.As(err, &handshake), errors.As(err, &header), errors.As(err, &verify), errors.As(err, &unknownCA):
		return generators.TLS
	case errors.As(err, &protocol):
		return generators.Protocol
	case errors.As(err, &stream):
		if stream.Code == h2ProtocolError {
			return generators.Protocol
		}
		return generators.Reset
	case errors.As(err, &op):
		switch op.Op {
		case "remote error", "local error": // TLS alerts
			return generators.TLS
		case "dial":
			return generators.Connect
		}
		return generators.Reset
	}
	return classifyUntyped(err)
}

// classifyUntyped knows the errors of HTTP/2 and 3 that have no type.
func classifyUntyped(err error) generators.Class {
	text := bare(err).Error()
	switch {
	case strings.Contains(text, "GOAWAY"), strings.Contains(text, "connection lost"), strings.Contains(text, "conn is closed"),
		strings.Contains(text, "conn not usable"), strings.Contains(text, "could not be established"), strings.Contains(text, "force closed"):
		return generators.Reset
	case strings.Contains(text, "http2"), strings.Contains(text, "http3"), strings.Contains(text, "net/http"), strings.Contains(text, "connection error"),
		strings.Contains(text, "malformed"), strings.Contains(text, "invalid header"),
		strings.Contains(text, "peer sent"), strings.Contains(text, "frame received after trailers"):
		return generators.Protocol
	}
	return generators.Other
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// localError marks a failure of brunt's own side.
type localError struct{ err error }

func (e localError) Error() string { return e.err.Error() }
func (e localError) Unwrap() error { return e.err }

// isTimeout is true for what a deadline leaves behind.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
