//go:build unix

package proxy_test

import (
	"context"
	"testing"
	"time"
)

// bounded guards against hanging; it also works in cleanups, where t.Context
// has ended.
func bounded(t testing.TB) context.Context {
	ctx, cancel := bruntContext()
	t.Cleanup(cancel)
	return ctx
}

func bruntContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}
