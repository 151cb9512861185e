package dns_test

import (
	"context"
	"testing"
	"time"
)

// bounded guards against hanging; it also works in cleanups, where t.Context
// has ended.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
