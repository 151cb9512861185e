//go:build !linux

package stress

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/brunt-dev/brunt/chaos"
)

// errSystem answers everything that needs Linux.
var errSystem = fmt.Errorf("stress faults need Linux: %w", errors.ErrUnsupported)

// Prepare refuses.
func (f *fault) Prepare(context.Context) (chaos.Receipt, error) { return chaos.Receipt{}, errSystem }

// Inject refuses.
func (f *fault) Inject(context.Context, chaos.Receipt) error { return errSystem }

// Undo refuses.
func (f *fault) Undo(context.Context, chaos.Receipt) error { return errSystem }

// Verify refuses.
func (f *fault) Verify(context.Context, chaos.Receipt) (chaos.State, error) { return "", errSystem }

// Owned finds nothing.
func Owned() ([]chaos.Receipt, error) { return nil, errSystem }

// Main refuses.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, "brunt stress:", errSystem)
	return 1
}
