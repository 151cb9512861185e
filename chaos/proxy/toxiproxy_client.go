package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// A peer is a Toxiproxy that is there already.
type peer struct {
	URL   string `json:"url"`   // of its API
	Proxy string `json:"proxy"` // the proxy's name
}

const (
	// callBound is how long a Toxiproxy may take to answer.
	callBound = 3 * time.Second
	maxAnswer = 4 << 20
)

// errNoPeer says that the Toxiproxy is not there, or has no such proxy: what
// it had of ours went with it, because it keeps nothing but in memory.
var errNoPeer = errors.New("the Toxiproxy, or its proxy, is not there")

func (p peer) String() string { return fmt.Sprintf("proxy %s of Toxiproxy %s", p.Proxy, p.URL) }

// show asks for the proxy and its toxics.
func (p peer) show(ctx context.Context) (peerProxy, error) {
	var shown peerProxy
	err := p.call(ctx, http.MethodGet, "", nil, &shown)
	if isStatus(err, http.StatusNotFound) {
		return peerProxy{}, errNoPeer
	}
	return shown, err
}

func (p peer) add(ctx context.Context, t peerToxic) error {
	return p.call(ctx, http.MethodPost, "/toxics", t, nil)
}

// remove takes a toxic away; one that is not there is no error.
func (p peer) remove(ctx context.Context, name string) error {
	err := p.call(ctx, http.MethodDelete, "/toxics/"+url.PathEscape(name), nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

func isStatus(err error, status int) bool {
	var no *middlebox.RefusedError
	return errors.As(err, &no) && no.Status == status
}

// call makes one request on a connection of its own.
func (p peer) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("ask Toxiproxy: %w", err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(p.URL, "/")+"/proxies/"+url.PathEscape(p.Proxy)+path, sent)
	if err != nil {
		return fmt.Errorf("ask Toxiproxy: %w", err)
	}
	request.Header.Set("User-Agent", "brunt")
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Transport{DisableKeepAlives: true, Proxy: nil}).RoundTrip(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errNoPeer
	}
	if err != nil {
		return fmt.Errorf("ask Toxiproxy: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask Toxiproxy: %w", err)
	}
	if response.StatusCode/100 != 2 {
		no := peerError{Message: response.Status}
		_ = json.Unmarshal(text, &no) // what does not say why has its status
		return fmt.Errorf("ask Toxiproxy: %w", &middlebox.RefusedError{Status: response.StatusCode, Reason: no.Message})
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("ask Toxiproxy: read answer: %w", err)
	}
	return nil
}
