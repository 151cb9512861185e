package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Mean service times of the endpoints; see the package documentation.
const (
	listTime     = 12 * time.Millisecond
	productTime  = 8 * time.Millisecond
	cartTime     = 16 * time.Millisecond
	paymentsTime = 3 * time.Millisecond
)

// paymentsPatience is how long a cart waits for payments.
const paymentsPatience = time.Second

// A replica is one process of the shop service.
type replica struct {
	name     string
	pace     float64
	workers  *workers
	payments *http.Client
	url      string // of payments
}

// metrics is what a replica says at GET /metrics.json.
type metrics struct {
	Busy    float64 `json:"busy"` // share of the slots' time used over the last 2 s, 0 to 1
	Waiting int64   `json:"waiting"`
	Served  int64   `json:"served_total"`
	Refused int64   `json:"refused_total"`
}

func runReplica(ctx context.Context, l layout, name string) error {
	i := slices.Index(replicaNames(len(l.Replicas)), name)
	if i < 0 {
		return fmt.Errorf("no such replica: %s", name)
	}
	if !l.Warm && !sleep(ctx, l.StartUp) {
		return nil
	}
	r := newReplica(l, name)
	ctx, cancel := context.WithCancel(ctx)
	var sampling sync.WaitGroup
	sampling.Go(func() { r.workers.measure(ctx) })
	defer sampling.Wait()
	defer cancel()
	slog.Info("ready", "address", l.Replicas[i])
	return serve(ctx, l.Replicas[i], r.handler())
}

func newReplica(l layout, name string) *replica {
	return &replica{
		name:    name,
		pace:    l.Pace,
		workers: newWorkers(l.Slots, l.Queue),
		payments: &http.Client{
			Timeout: paymentsPatience,
			Transport: &http.Transport{
				DialContext:         dialVia(l.PaymentsVia),
				MaxIdleConnsPerHost: 2 * l.Slots,
				IdleConnTimeout:     30 * time.Second,
			},
		},
		url: "http://" + l.Payments + "/authorise",
	}
}

// dialVia dials what listens at via in the place of the address asked for, and
// that address when nothing does: the stack works with a proxy and without.
func dialVia(via string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: paymentsPatience}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, via)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return dialer.DialContext(ctx, network, address)
		}
		return conn, err
	}
}

func (r *replica) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", r.work(listTime, r.list))
	mux.HandleFunc("GET /products/{id}", r.work(productTime, r.product))
	mux.HandleFunc("POST /cart", r.work(cartTime, r.cart))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		r.answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /metrics.json", func(w http.ResponseWriter, _ *http.Request) {
		r.answer(w, http.StatusOK, metrics{
			Busy:    r.workers.share(),
			Waiting: r.workers.waiting.Load(),
			Served:  r.workers.served.Load(),
			Refused: r.workers.refused.Load(),
		})
	})
	return mux
}

// work wraps an endpoint: wait for a slot, hold it for a service time drawn
// around the mean, then do it.
func (r *replica) work(mean time.Duration, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		switch err := r.workers.enter(req.Context()); {
		case errors.Is(err, errQueueFull):
			w.Header().Set("Retry-After", "1")
			r.fail(w, http.StatusServiceUnavailable, "too many requests are waiting")
			return
		case err != nil:
			return // the client is gone
		}
		defer r.workers.leave()
		sleep(req.Context(), serviceTime(mean, r.pace))
		do(w, req)
	}
}

// serviceTime draws a time around a mean: never below 0.6 of it, 0.4 of it
// exponential.
func serviceTime(mean time.Duration, pace float64) time.Duration {
	return time.Duration(float64(mean) * pace * (0.6 + 0.4*rand.ExpFloat64()))
}

func (r *replica) list(w http.ResponseWriter, req *http.Request) {
	page := 1
	if p := req.URL.Query().Get("page"); p != "" {
		var err error
		if page, err = strconv.Atoi(p); err != nil || page < 1 || page > pages {
			r.fail(w, http.StatusBadRequest, fmt.Sprintf("page must be from 1 to %d", pages))
			return
		}
	}
	r.answer(w, http.StatusOK, struct {
		Page  int       `json:"page"`
		Pages int       `json:"pages"`
		Items []product `json:"items"`
	}{page, pages, productsOn(page)})
}

func (r *replica) product(w http.ResponseWriter, req *http.Request) {
	p, ok := productOf(req.PathValue("id"))
	if !ok {
		r.fail(w, http.StatusNotFound, "no such product")
		return
	}
	r.answer(w, http.StatusOK, p)
}

func (r *replica) cart(w http.ResponseWriter, req *http.Request) {
	var order struct {
		User     string `json:"user"`
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 64<<10)).Decode(&order); err != nil {
		r.fail(w, http.StatusBadRequest, "not a cart: "+err.Error())
		return
	}
	p, ok := productOf(order.SKU)
	if !ok {
		r.fail(w, http.StatusUnprocessableEntity, "no such product")
		return
	}
	total := p.PriceCents * max(1, order.Quantity)
	payment, err := r.pay(req.Context(), total)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		r.fail(w, http.StatusGatewayTimeout, "payments: no answer in time")
		return
	case err != nil:
		r.fail(w, http.StatusBadGateway, "payments: "+err.Error())
		return
	}
	r.answer(w, http.StatusCreated, struct {
		SKU        string `json:"sku"`
		TotalCents int    `json:"total_cents"`
		Payment    string `json:"payment"`
	}{p.SKU, total, payment})
}

// pay asks payments to authorise an amount and returns the payment's id.
func (r *replica) pay(ctx context.Context, cents int) (string, error) {
	body, err := json.Marshal(map[string]int{"amount_cents": cents})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.payments.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var payment struct {
		ID string `json:"id"`
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&payment); err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is kept
	return payment.ID, nil
}

func (r *replica) answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("X-Served-By", r.name)
	answerJSON(w, code, v)
}

func (r *replica) fail(w http.ResponseWriter, code int, message string) {
	r.answer(w, code, map[string]string{"error": message})
}
