//go:build !linux

package clock

import (
	"errors"
	"fmt"
	"time"
)

// become needs what only Linux has.
func become(string, []string, []string, time.Duration) error {
	return fmt.Errorf("run command under another clock: it needs Linux: %w", errors.ErrUnsupported)
}
