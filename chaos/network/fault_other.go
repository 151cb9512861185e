//go:build !linux

package network

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/brunt-dev/brunt/chaos"
)

// errSystem answers everything that needs Linux's namespaces and netfilter.
var errSystem = fmt.Errorf("network faults need Linux: %w", errors.ErrUnsupported)

// Prepare refuses: nothing is broken that could not be proven mended.
func (f *fault) Prepare(context.Context) (chaos.Receipt, error) { return chaos.Receipt{}, errSystem }

// Inject refuses.
func (f *fault) Inject(context.Context, chaos.Receipt) error { return errSystem }

// Undo refuses: the receipt is that of another system.
func (f *fault) Undo(context.Context, chaos.Receipt) error { return errSystem }

// Verify refuses.
func (f *fault) Verify(context.Context, chaos.Receipt) (chaos.State, error) { return "", errSystem }

// Owned finds nothing: there can be no fault of this kind here.
func Owned(context.Context) ([]chaos.Receipt, error) { return nil, nil }

// Main refuses.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, "brunt network:", errSystem)
	return 1
}
