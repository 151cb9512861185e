//go:build !e2e

package kubernetes

import (
	"testing"

	"go.uber.org/goleak"
)

// With a lab, its own goroutines live as long as the test binary.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// client-go's cache of transports is the process's, and cleans up after a while.
		goleak.IgnoreAnyFunction("k8s.io/client-go/transport.(*tlsTransportCache).startGCLocked"))
}
