package shop

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReplicaAnswers(t *testing.T) {
	payments := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != "POST" || req.URL.Path != "/authorise" {
			t.Errorf("payments was asked %s %s", req.Method, req.URL)
		}
		answerJSON(w, http.StatusOK, map[string]string{"id": "p1"})
	}))
	defer payments.Close()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer failing.Close()
	tests := []struct {
		request string
		body    string
		status  int
		want    string // in the answer
	}{
		{"GET /products", "", 200, `{"page":1,"pages":40,"items":[{"sku":"sku-0001",`},
		{"GET /products?page=40", "", 200, `"sku":"sku-0400"`},
		{"GET /products?page=41", "", 400, "page must be"},
		{"GET /products?page=x", "", 400, "page must be"},
		{"GET /products/sku-0400", "", 200, `"sku":"sku-0400"`},
		{"GET /products/sku-0401", "", 404, "no such product"},
		{"GET /products/sku-1", "", 404, "no such product"}, // not how it is spelled
		{"POST /cart", `{"sku":"sku-0001","quantity":2}`, 201, `"total_cents":1272,"payment":"p1"`},
		{"POST /cart", `{"sku":"tea"}`, 422, "no such product"},
		{"POST /cart", `{`, 400, "not a cart"},
		{"POST /cart", `{"sku":"` + strings.Repeat("x", 1<<17), 400, "too large"},
		{"GET /cart", "", 405, ""},
		{"GET /health", "", 200, `"ok"`},
		{"GET /metrics.json", "", 200, `"busy":`},
		{"GET /nowhere", "", 404, ""},
	}
	l := layout{Slots: 2, Queue: 1, Pace: 1e-9, Payments: payments.Listener.Addr().String()}
	l.PaymentsVia = l.Payments
	r := newReplica(l, "shop-1")
	defer r.payments.CloseIdleConnections()
	ask := func(request, body string) *httptest.ResponseRecorder {
		method, path, _ := strings.Cut(request, " ")
		rec := httptest.NewRecorder()
		r.handler().ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
		return rec
	}
	for _, tt := range tests {
		rec := ask(tt.request, tt.body)
		if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.want) {
			t.Errorf("%s %.40s: got %d %s, want %d %s", tt.request, tt.body, rec.Code, rec.Body, tt.status, tt.want)
		}
	}

	r.url = failing.URL
	l.PaymentsVia = failing.Listener.Addr().String()
	broken := newReplica(l, "shop-1")
	defer broken.payments.CloseIdleConnections()
	rec := httptest.NewRecorder()
	broken.handler().ServeHTTP(rec, httptest.NewRequest("POST", "/cart", strings.NewReader(`{"sku":"sku-0001"}`)))
	if rec.Code != http.StatusBadGateway {
		t.Errorf("payments fails: got %d, want 502", rec.Code)
	}

	for range 2 {
		if err := r.workers.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.workers.waiting.Store(1)
	if rec := ask("GET /products", ""); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("full: got %d, want 503 with Retry-After", rec.Code)
	}
	if rec := ask("GET /health", ""); rec.Code != http.StatusOK {
		t.Errorf("health when full: got %d, want 200", rec.Code)
	}
}

func TestServiceTime(t *testing.T) {
	sum := 0.0
	const n = 100_000
	for range n {
		d := serviceTime(listTime, 2)
		if d < listTime*12/10 {
			t.Fatalf("%s is below 0.6 of the mean", d)
		}
		sum += float64(d)
	}
	// The mean of n draws is within 1% of 24 ms, but once in 10^14 times.
	if got := sum / n / float64(2*listTime); got < 0.99 || got > 1.01 {
		t.Errorf("the mean is %v of what it should be", got)
	}
}

func TestPortRange(t *testing.T) {
	tests := []struct {
		name               string
		low, high          int // ephemeral
		wantLow, wantHigh_ int
	}{
		{"Linux", 32768, 60999, 10000, 32767},
		{"IANA", 49152, 65535, 10000, 49151},
		{"low ones are ephemeral: above", 1024, 60000, 60001, 65535},
		{"all of them are: anywhere", 1024, 65535, 10000, 65535},
	}
	for _, tt := range tests {
		if low, high := portRange(tt.low, tt.high); low != tt.wantLow || high != tt.wantHigh_ {
			t.Errorf("%s: got %d to %d, want %d to %d", tt.name, low, high, tt.wantLow, tt.wantHigh_)
		}
	}
}

func TestFreePortsAreDistinct(t *testing.T) {
	ports, err := freePorts(70)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("%d twice", p)
		}
		seen[p] = true
	}
}

func TestMainRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"replica"}, {"king", "shop-1"}, {"lb", "lb", "lb"}} {
		if code := Main(args); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
	}
}
