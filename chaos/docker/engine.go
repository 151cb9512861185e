package docker

import (
	stdbytes "bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// defaultHost is where engines listen unless told otherwise.
	defaultHost = "unix:///var/run/docker.sock"
	// callBound is how long the engine may take for one call.
	callBound = 15 * time.Second
	maxAnswer = 32 << 20
)

// errAbsent says that the engine has no such container or network.
var errAbsent = errors.New("it is gone")

// An engine is a Docker Engine behind a unix socket. It speaks whatever version
// of the API the engine prefers: the calls made here are the same in all since
// 1.24.
type engine struct {
	socket  string
	version string // "1.41"
}

// hostOf is the engine that a configuration means.
func hostOf(configured string) string {
	if configured != "" {
		return configured
	}
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	return defaultHost
}

// socketOf is the path of a unix:// address.
func socketOf(host string) (string, error) {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok || !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("%q is no engine that brunt speaks to: only unix:///PATH is", host)
	}
	return path, nil
}

// open asks the engine for its version.
func open(ctx context.Context, host string) (engine, error) {
	socket, err := socketOf(host)
	if err != nil {
		return engine{}, err
	}
	e := engine{socket: socket}
	header, err := e.exchange(ctx, http.MethodGet, "/_ping", nil, nil)
	if err != nil {
		return engine{}, fmt.Errorf("reach docker engine: %w", err)
	}
	e.version = header.Get("Api-Version")
	if e.version == "" {
		return engine{}, fmt.Errorf("reach docker engine: what listens on %s is none", socket)
	}
	return e, nil
}

// An apiError is the engine's own no.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

// Is makes a 404 an errAbsent.
func (e *apiError) Is(target error) bool {
	return target == errAbsent && e.status == http.StatusNotFound
}

// refusedAs says whether an error is the engine's no with one of these codes.
func refusedAs(err error, codes ...int) bool {
	var no *apiError
	if !errors.As(err, &no) {
		return false
	}
	for _, code := range codes {
		if no.status == code {
			return true
		}
	}
	return false
}

// call makes one call of the versioned API. Body and into may be nil.
func (e engine) call(ctx context.Context, method, path string, body, into any) error {
	_, err := e.exchange(ctx, method, "/v"+e.version+path, body, into)
	return err
}

// exchange makes one request on a connection of its own.
func (e engine) exchange(ctx context.Context, method, path string, body, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = stdbytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, sent)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", e.socket)
		},
	}
	response, err := transport.RoundTrip(request)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w: root or membership of the group docker is needed", err)
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices && response.StatusCode != http.StatusNotModified {
		var no struct{ Message string }
		if json.Unmarshal(text, &no) != nil || no.Message == "" {
			no.Message = response.Status
		}
		return nil, &apiError{status: response.StatusCode, message: no.Message}
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			return nil, fmt.Errorf("read the engine's answer: %w", err)
		}
	}
	return response.Header, nil
}

// A container is what matters here of the engine's description of one.
type container struct {
	ID      string `json:"Id"`
	Name    string // with a slash before it
	Created time.Time
	State   struct {
		Status          string
		Running, Paused bool
		Pid             int    // on the engine's host
		StartedAt       string // of its present or last run
		ExitCode        int
		OOMKilled       bool
	}
	Config     struct{ Labels map[string]string }
	HostConfig struct {
		AutoRemove         bool
		Memory, MemorySwap int64
		NanoCpus           int64
		CPUQuota           int64 `json:"CpuQuota"`
		CPUPeriod          int64 `json:"CpuPeriod"`
	}
	NetworkSettings struct{ Networks map[string]endpoint }
}

// An endpoint is a container's place on a network. The first fields are what
// it was asked for, the last what it got.
type endpoint struct {
	IPAMConfig *ipam             `json:"IPAMConfig,omitempty"`
	Links      []string          `json:"Links,omitempty"`
	Aliases    []string          `json:"Aliases,omitempty"`
	DriverOpts map[string]string `json:"DriverOpts,omitempty"`
	GwPriority int               `json:"GwPriority,omitempty"`

	NetworkID         string `json:"NetworkID,omitempty"`
	IPAddress         string `json:"IPAddress,omitempty"`
	GlobalIPv6Address string `json:"GlobalIPv6Address,omitempty"`
}

type ipam struct {
	IPv4Address  string   `json:"IPv4Address,omitempty"`
	IPv6Address  string   `json:"IPv6Address,omitempty"`
	LinkLocalIPs []string `json:"LinkLocalIPs,omitempty"`
}

// inspect describes a container by id or name; errAbsent when there is none.
func (e engine) inspect(ctx context.Context, name string) (container, error) {
	var c container
	if err := e.call(ctx, http.MethodGet, "/containers/"+url.PathEscape(name)+"/json", nil, &c); err != nil {
		return container{}, fmt.Errorf("look at container %s: %w", short(name), err)
	}
	return c, nil
}

// running lists the ids of running containers that have a label.
func (e engine) running(ctx context.Context, label string) ([]string, error) {
	filters, err := json.Marshal(map[string][]string{"label": {label}, "status": {"running", "paused"}})
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID string `json:"Id"`
	}
	if err := e.call(ctx, http.MethodGet, "/containers/json?filters="+url.QueryEscape(string(filters)), nil, &list); err != nil {
		return nil, fmt.Errorf("list containers with label %s: %w", label, err)
	}
	ids := make([]string, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	return ids, nil
}

// do makes a call that changes a container.
func (e engine) do(ctx context.Context, id, verb string, body any) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/"+verb, body, nil)
}

// network says whether the engine has the network, by id.
func (e engine) network(ctx context.Context, id string) (bool, error) {
	err := e.call(ctx, http.MethodGet, "/networks/"+id, nil, nil)
	if errors.Is(err, errAbsent) {
		return false, nil
	}
	return err == nil, err
}

// short is an id as people know it.
func short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
