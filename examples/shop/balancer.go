package shop

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// upstreamTime is how long the load balancer waits for a replica's whole
// answer before it says 504.
const upstreamTime = 3 * time.Second

// A balancer forwards requests to replicas, as an http.RoundTripper behind
// httputil's reverse proxy: the healthy replica with the fewest requests under
// way gets the next one. It says 503 when no replica is healthy, 504 when one
// took too long and 502 when one broke off.
type balancer struct {
	backends *backends
	upstream http.RoundTripper
}

var errNoReplica = errors.New("no healthy replica")

func runBalancer(ctx context.Context, l layout, _ string) error {
	ctx, cancel := context.WithCancel(ctx)
	b := &balancer{backends: newBackends(), upstream: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // pass on what the client asked for
	}}
	defer b.backends.checks.Wait()
	defer cancel()
	admin := http.NewServeMux()
	admin.HandleFunc("PUT /backends", func(w http.ResponseWriter, req *http.Request) {
		var now []backendState
		if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxAnswer)).Decode(&now); err != nil {
			answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		answerJSON(w, http.StatusOK, b.backends.set(ctx, now))
	})
	slog.Info("ready", "address", l.LB)
	var servers sync.WaitGroup
	var errs [2]error
	for i, run := range []func() error{
		func() error { return serve(ctx, l.LBAdmin, admin) },
		func() error { return serve(ctx, l.LB, b.handler()) },
	} {
		servers.Go(func() {
			errs[i] = run()
			cancel() // neither is of use without the other
		})
	}
	servers.Wait()
	return errors.Join(errs[:]...)
}

func (b *balancer) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.SetXForwarded()
		},
		Transport:    b,
		ErrorHandler: answerFailure,
		BufferPool:   &buffers{},
		ErrorLog:     slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), upstreamTime)
		defer cancel()
		proxy.ServeHTTP(w, req.WithContext(ctx))
	})
}

// RoundTrip sends one request to a replica. Where none could be connected to,
// nothing was sent, and a GET or HEAD without a body goes to the next one.
func (b *balancer) RoundTrip(req *http.Request) (*http.Response, error) {
	var tried []*backend
	err := errNoReplica
	for {
		k := b.backends.pick(tried)
		if k == nil {
			return nil, err
		}
		out := *req
		url := *req.URL
		url.Host = k.Address
		out.URL = &url
		k.outstanding.Add(1)
		var resp *http.Response
		if resp, err = b.upstream.RoundTrip(&out); err == nil {
			resp.Body = &countedBody{ReadCloser: resp.Body, of: k}
			return resp, nil
		}
		k.outstanding.Add(-1)
		var dial *net.OpError
		if !errors.As(err, &dial) || dial.Op != "dial" || req.Context().Err() != nil {
			return nil, err
		}
		k.eject(err)
		if req.Method != http.MethodGet && req.Method != http.MethodHead || req.Body != nil {
			return nil, err // not for us to repeat, or not to be read again
		}
		tried = append(tried, k)
	}
}

// A countedBody counts its request as under way until it is closed.
type countedBody struct {
	io.ReadCloser
	of   *backend
	once sync.Once
}

func (b *countedBody) Close() error {
	b.once.Do(func() { b.of.outstanding.Add(-1) })
	return b.ReadCloser.Close()
}

// answerFailure tells the client why there is no answer from a replica.
func answerFailure(w http.ResponseWriter, _ *http.Request, err error) {
	code := http.StatusBadGateway
	switch {
	case errors.Is(err, errNoReplica):
		code = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		code = http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return // the client is gone
	}
	answerJSON(w, code, map[string]string{"error": http.StatusText(code)})
}

// buffers are what the reverse proxy copies bodies with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return buf[:]
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put((*[32 << 10]byte)(buf)) }
