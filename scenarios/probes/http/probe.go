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
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// maxBody is how much of an answer is read.
const maxBody = 1 << 20

// probe looks at one URL again and again.
type probe struct {
	config Config
	path   jsonpath.Path
	allow  func(address string) error
}

// New makes a probe. It looks at nothing yet.
func New(c Config, env probes.Env) (probes.Probe, error) {
	c = c.withDefaults()
	var problems []error
	c.Validate(func(field, message, _ string) {
		problems = append(problems, fmt.Errorf("%s: %s", field, message))
	})
	if c.URL == "" {
		problems = append(problems, errors.New("url: missing"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	p := &probe{config: c, allow: env.Allow}
	if c.JSON != "" {
		p.path, _ = jsonpath.Parse(c.JSON) // Validate has seen it
	}
	return p, nil
}

// Watch looks at once and then every config.Every; a look that takes longer
// than that delays the next ones, it does not make them pile up.
func (p *probe) Watch(ctx context.Context, emit func(probes.Reading)) error {
	transport := &nethttp.Transport{
		DialContext:            p.dial,
		ResponseHeaderTimeout:  p.config.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{
		Transport: transport,
		Timeout:   p.config.Timeout,
		CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error {
			return nethttp.ErrUseLastResponse
		},
	}
	tick := time.NewTicker(p.config.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		r := p.look(ctx, client)
		if ctx.Err() != nil {
			break // the look was cut short: it says nothing
		}
		emit(r)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// errNotAllowed marks an address outside the scenario's target.
var errNotAllowed = errors.New("outside the target")

func (p *probe) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.allow == nil {
		return nil, fmt.Errorf("%s: %w", address, errNotAllowed)
	}
	if err := p.allow(address); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotAllowed, err)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// look is one look at the URL.
func (p *probe) look(ctx context.Context, client *nethttp.Client) probes.Reading {
	start := time.Now()
	seen, body, err := p.get(ctx, client)
	took := time.Since(start)
	if err != nil {
		return p.failed(err)
	}
	switch {
	case p.config.JSON != "":
		n, err := number(p.path, body)
		if err != nil {
			return probes.Reading{Text: seen, Err: err}
		}
		return probes.Reading{Value: n, Text: seen}
	case p.config.Value == valueLatency:
		return probes.Reading{Value: float64(took), Text: seen}
	}
	return probes.Reading{Value: 1, Text: seen}
}

// get gets the URL and checks the answer, and says what it was.
func (p *probe) get(ctx context.Context, client *nethttp.Client) (seen string, body []byte, err error) {
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, p.config.URL, nil)
	if err != nil {
		return "", nil, ownFault{err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return "", nil, err
	case len(body) > maxBody:
		return "", nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	case p.config.Status != 0 && resp.StatusCode != p.config.Status:
		return "", nil, fmt.Errorf("status %d, not %d", resp.StatusCode, p.config.Status)
	case p.config.Status == 0 && resp.StatusCode/100 != 2:
		return "", nil, fmt.Errorf("status %d", resp.StatusCode)
	case !bytes.Contains(body, []byte(p.config.BodyContains)):
		return "", nil, fmt.Errorf("the answer does not contain %q", p.config.BodyContains)
	}
	return resp.Status, body, nil
}

// An ownFault is an error on brunt's own side.
type ownFault struct{ error }

// failed is the reading for a look without a good answer. What the thing
// watched did wrong makes it unhealthy, and that is a reading; where there was
// a number to read, or the fault is brunt's own, the look has failed.
func (p *probe) failed(err error) probes.Reading {
	var own ownFault
	local := errors.As(err, &own) || errors.Is(err, errNotAllowed) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
	err = plainError(err)
	if local || p.config.JSON != "" || p.config.Value != valueHealth {
		return probes.Reading{Err: err}
	}
	return probes.Reading{Value: 0, Text: err.Error()}
}

// plainError says what went wrong without repeating the URL and the method.
func plainError(err error) error {
	var wrapped *url.Error
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.As(err, &wrapped):
		return wrapped.Err
	}
	return err
}
