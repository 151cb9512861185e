package shop

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
)

// runPayments runs the dependency: it authorises every payment, without a
// limit of its own, after about 3 ms.
func runPayments(ctx context.Context, l layout, _ string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /authorise", func(w http.ResponseWriter, req *http.Request) {
		sleep(req.Context(), serviceTime(paymentsTime, l.Pace))
		answerJSON(w, http.StatusOK, map[string]string{"id": rand.Text()})
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	slog.Info("ready", "address", l.Payments)
	return serve(ctx, l.Payments, mux)
}
