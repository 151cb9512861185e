//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package chaos

import (
	"errors"
	"fmt"
	"os"
)

// lock refuses: without a lock that ends with its process, two brunts could
// undo and inject the same fault at once.
func lock(*os.File) error {
	return fmt.Errorf("lock: %w on this system", errors.ErrUnsupported)
}
