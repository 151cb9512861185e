package chaostest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
)

// undoVariable makes a test binary another process that undoes what the
// receipts in the given folder say, and does nothing else.
const undoVariable = "BRUNT_CHAOSTEST_UNDO"

// Main is a kind's TestMain: it runs the tests or, in a child of the suite's
// own, undoes. It does not return.
func Main(m *testing.M, kind string, mend func() chaos.Fault) {
	MainOf(m, func(name string) (chaos.Fault, bool) { return mend(), name == kind })
}

// MainOf is Main for a package of several kinds.
func MainOf(m *testing.M, mend func(kind string) (chaos.Fault, bool)) {
	dir := os.Getenv(undoVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := undo(dir, mend); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func undo(dir string, mend func(kind string) (chaos.Fault, bool)) error {
	receipts, err := chaos.OpenReceipts(dir)
	if err != nil {
		return err
	}
	err = chaos.Undo(context.Background(), receipts, mend, nil)
	return errors.Join(err, receipts.Close())
}
