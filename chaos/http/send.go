package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// longestAnswer is how much of an answer is read.
	longestAnswer = 1 << 20
	// shownAnswer is how much of it stands in messages.
	shownAnswer = 200
)

// A statusError is an answer that is not the one wanted.
type statusError struct {
	call   call
	status int
	body   string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s %s: the answer is %d %s", e.call.Method, bare(e.call.URL), e.status, nethttp.StatusText(e.status))
	if e.status/100 == 3 {
		text += " (redirects are not followed)"
	}
	if e.body != "" {
		text += ": " + e.body
	}
	return text
}

// missing says that there is nothing at the URL.
func (e *statusError) missing() bool {
	return e.status == nethttp.StatusNotFound || e.status == nethttp.StatusGone
}

// passing says that the same call may be answered well a little later.
func (e *statusError) passing() bool {
	switch e.status {
	case nethttp.StatusRequestTimeout, nethttp.StatusTooEarly, nethttp.StatusTooManyRequests:
		return true
	}
	return e.status/100 == 5
}

// do makes a call that must be answered with its status.
func (d data) do(ctx context.Context, c call) error {
	status, body, err := d.send(ctx, c)
	if err != nil {
		return err
	}
	if status == c.Status || c.Status == 0 && status/100 == 2 {
		return nil
	}
	shown := strings.ToValidUTF8(string(body[:min(len(body), shownAnswer)]), "")
	return &statusError{call: c, status: status, body: c.hide(strings.Join(strings.Fields(shown), " "))}
}

var (
	// errNotAllowed marks an address that the receipt does not name.
	errNotAllowed = errors.New("outside the target")
	// errNoVariable marks a header whose variable is not set.
	errNoVariable = errors.New("the call needs an environment variable that is not set")
)

// send makes a call, on a connection of its own, and reads the answer.
func (d data) send(ctx context.Context, c call) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	request, err := nethttp.NewRequestWithContext(ctx, c.Method, c.URL, bytes.NewReader(c.Body))
	if err != nil {
		return 0, nil, fmt.Errorf("make call: %w", err)
	}
	if request.Header, err = c.header(os.LookupEnv); err != nil {
		return 0, nil, err
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
		request.Header.Del("Host")
	}
	transport := &nethttp.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if !slices.Contains(d.Hosts, address) {
				return nil, fmt.Errorf("connect to %s: %w", address, errNotAllowed)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request) // follows no redirects and knows no proxies
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", c.Method, bare(c.URL), plain(err))
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer+1))
	if err == nil && len(body) > longestAnswer {
		err = fmt.Errorf("the answer is larger than %d bytes", longestAnswer)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", c.Method, bare(c.URL), err)
	}
	return response.StatusCode, body, nil
}

// plain takes the URL, which the caller names, out of an error.
func plain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// header is a call's headers, with secrets as the environment has them now.
func (c call) header(lookup func(string) (string, bool)) (nethttp.Header, error) {
	header := nethttp.Header{"User-Agent": {"brunt"}}
	if c.JSON {
		header.Set("Content-Type", "application/json")
	}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	var missing []string
	for name, reference := range c.FromEnv {
		before, variable := splitReference(reference)
		value, ok := lookup(variable)
		if !ok || value == "" {
			missing = append(missing, variable)
		}
		header.Set(name, before+value)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, fmt.Errorf("%w: set %s", errNoVariable, strings.Join(missing, ", "))
	}
	return header, nil
}

// hide takes the call's secrets out of a text that a server sent.
func (c call) hide(text string) string {
	for _, reference := range c.FromEnv {
		_, variable := splitReference(reference)
		if value := os.Getenv(variable); len(value) >= chaos.ShortestSecret {
			text = strings.ReplaceAll(text, value, "${"+variable+"}")
		}
	}
	return text
}
