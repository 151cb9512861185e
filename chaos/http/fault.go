package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// firstPause is waited before an undo is tried again; each further pause is
	// twice as long, up to longestPause.
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
	// undoBound is how long an undo is tried; it leaves time for the proof.
	undoBound = 20 * time.Second
)

// data is what the receipts of this kind hold. There are no secrets in it.
type data struct {
	Inject  call          `json:"inject"`
	Undo    *call         `json:"undo,omitempty"`
	Verify  call          `json:"verify"`
	Active  Answer        `json:"active"`
	Gone    Answer        `json:"gone"`
	Timeout time.Duration `json:"timeout_ns"`
	Hosts   []string      `json:"hosts"` // the addresses that the target allowed
}

// A call is one request, as it lies in a receipt.
type call struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	FromEnv map[string]string `json:"headers_from_env,omitempty"` // names
	Body    []byte            `json:"body,omitempty"`
	JSON    bool              `json:"is_json,omitempty"` // what the body is
	Status  int               `json:"status,omitempty"`  // 0: any 2xx
}

// call is the configuration's call as it is sent.
func (c Call) call() (call, error) {
	method, address := c.only()
	made := call{Method: method, URL: address, Headers: c.Headers, FromEnv: c.FromEnv, Body: []byte(c.Body), Status: c.Status}
	if c.JSON != nil {
		body, err := json.Marshal(c.JSON)
		if err != nil {
			return call{}, fmt.Errorf("write json: %w", err)
		}
		made.Body, made.JSON = body, true
	}
	return made, nil
}

// data is the configuration as the receipt holds it.
func (f *fault) data() (data, error) {
	c := f.config
	d := data{
		Verify: call{Method: nethttp.MethodGet, URL: c.Verify.Get, Headers: c.Verify.Headers, FromEnv: c.Verify.FromEnv},
		Active: *c.Verify.Active, Gone: *c.Verify.Gone, Timeout: c.Timeout,
	}
	var err error
	if d.Inject, err = c.Inject.call(); err != nil {
		return data{}, err
	}
	if c.Undo != nil {
		undo, err := c.Undo.call()
		if err != nil {
			return data{}, err
		}
		d.Undo = &undo
	}
	return d, nil
}

func (d data) calls() []call {
	calls := []call{d.Inject, d.Verify}
	if d.Undo != nil {
		calls = append(calls, *d.Undo)
	}
	return calls
}

// hosts are the addresses that the calls lead to.
func (d data) hosts() ([]string, error) {
	var hosts []string
	for _, c := range d.calls() {
		u, err := url.Parse(c.URL)
		if err != nil {
			return nil, err
		}
		if a := address(u); !slices.Contains(hosts, a) {
			hosts = append(hosts, a)
		}
	}
	return hosts, nil
}

// allowed asks the target for every address.
func (f *fault) allowed() error {
	d, err := f.data()
	if err != nil {
		return err
	}
	hosts, err := d.hosts()
	if err != nil {
		return err
	}
	for _, host := range hosts {
		if f.allow == nil {
			return fmt.Errorf("%s is outside the target: it allows nothing", host)
		}
		if err := f.allow(host); err != nil {
			return err
		}
	}
	return nil
}

// Prepare asks the target for leave, looks for the variables, and calls verify
// to see that it works and that the fault is not in effect already.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.config.Inject == nil {
		return chaos.Receipt{}, errors.New("prepare http fault: it has no configuration")
	}
	if err := f.allowed(); err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	d, err := f.data()
	if err == nil {
		d.Hosts, err = d.hosts()
	}
	if err == nil {
		err = d.rehearse(os.LookupEnv, os.Environ())
	}
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	switch state, err := d.look(ctx); {
	case err != nil:
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	case state != chaos.Gone:
		return chaos.Receipt{}, &chaos.ConflictError{Target: bare(d.Verify.URL), Want: "the fault not to be in effect", Found: "an answer that says it is"}
	}
	targets := f.config.Targets
	if len(targets) == 0 {
		targets = []string{What(f.config)}
	}
	receipt, err := chaos.NewReceipt(f.name, Kind, targets, f.config.OneShot, d)
	receipt.Class = chaos.Durable // it is set elsewhere
	return receipt, err
}

// rehearse makes sure that every call has its variables, and no secret in
// clear.
func (d data) rehearse(lookup func(string) (string, bool), environ []string) error {
	for _, c := range d.calls() {
		if _, err := c.header(lookup); err != nil {
			return err
		}
		texts := []string{c.URL, string(c.Body)}
		if decoded, err := url.QueryUnescape(c.URL); err == nil {
			texts = append(texts, decoded)
		}
		for _, value := range c.Headers {
			texts = append(texts, value)
		}
		if name, found := chaos.SecretIn(texts, environ, nil); found {
			return fmt.Errorf("%s %s holds the value of the environment variable %s, and it would be written to the receipt: put it into a header with headers_from_env", c.Method, host(c.URL), name)
		}
	}
	return nil
}

// host is a URL's host, for messages that must not show its path.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

// Inject makes the inject call, once. That it is answered well proves nothing;
// Verify does.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	if err := d.do(ctx, d.Inject); err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	return nil
}

// Undo makes the undo call until it is answered well, or with a refusal that
// trying again would not change.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil || d.Undo == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, undoBound)
	defer cancel()
	for pause := f.pause; ; pause = min(2*pause, longestPause) {
		err := d.do(ctx, *d.Undo)
		if err == nil {
			return nil
		}
		var answer *statusError
		if errors.As(err, &answer) && d.Undo.Method == nethttp.MethodDelete && answer.missing() {
			return nil
		}
		if errors.As(err, &answer) && !answer.passing() || errors.Is(err, errNotAllowed) || errors.Is(err, errNoVariable) {
			return fmt.Errorf("undo %s: %w", receipt.Fault, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("undo %s: %w", receipt.Fault, err)
		}
	}
}

// Foreign is what an undo calls.
func (f *fault) Foreign() string { return "makes the call that takes it back" }

// Verify makes the verify call and says which of the two answers it got.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	return d.look(ctx)
}

// look makes the verify call.
func (d data) look(ctx context.Context) (chaos.State, error) {
	status, body, err := d.send(ctx, d.Verify)
	if err != nil {
		return "", err
	}
	active, gone := d.Active.differs(status, body), d.Gone.differs(status, body)
	switch {
	case active == "" && gone == "":
		return "", fmt.Errorf("GET %s: the answer is like active and like gone: they do not tell one from the other", bare(d.Verify.URL))
	case active == "":
		return chaos.Active, nil
	case gone == "":
		return chaos.Gone, nil
	}
	return "", fmt.Errorf("GET %s: the answer is neither: not active, because %s; not gone, because %s", bare(d.Verify.URL), active, gone)
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	in := json.NewDecoder(bytes.NewReader(receipt.Data))
	in.UseNumber()
	err := in.Decode(&d)
	if err == nil {
		err = d.check()
	}
	if err == nil && d.Undo == nil && !receipt.OneShot {
		err = errors.New("it names no undo call")
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	return d, nil
}

// check refuses what no Prepare has written.
func (d data) check() error {
	for _, c := range d.calls() {
		if c.Method == "" || c.URL == "" {
			return errors.New("it names no calls")
		}
		if strings.ContainsAny(c.Method, " /\r\n") {
			return fmt.Errorf("%q is no method", c.Method)
		}
	}
	if d.Timeout <= 0 || d.Timeout > longestTimeout {
		return fmt.Errorf("its time limit is %s", d.Timeout)
	}
	return nil
}
