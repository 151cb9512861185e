package chaos

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// EpochFile is the name of the file in a run directory that says whose turn it
// is to write there. Whoever takes over from a run that no longer renews its
// lease raises the number; the run sees that before each record it writes, and
// so before each inject, and stands down.
const EpochFile = "receipts.epoch"

// epochForm has a fixed length, so that a full disk does not keep anyone from
// overwriting it.
const epochForm = "%019d\n"

// Epoch reads the epoch of a run directory; 0 when it has none.
func Epoch(dir string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, EpochFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read epoch: %w", err)
	}
	epoch, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || epoch < 1 {
		return 0, fmt.Errorf("read epoch: %.40q is none", text)
	}
	return epoch, nil
}

// Fence raises the epoch of a run directory and returns the new one. It takes
// no lock: it is for those who must fence off whoever holds the lock.
func Fence(dir string) (int64, error) {
	file, err := os.OpenFile(filepath.Join(dir, EpochFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, fmt.Errorf("fence: %w", err)
	}
	epoch, err := raise(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return 0, fmt.Errorf("fence: %w", err)
	}
	return epoch, nil
}

// raise overwrites the number in place with the next one.
func raise(file *os.File) (int64, error) {
	text, err := io.ReadAll(io.LimitReader(file, 64))
	if err != nil {
		return 0, err
	}
	epoch, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		epoch = 0 // new, or never written whole
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, epochForm, epoch+1), 0); err != nil {
		return 0, err
	}
	return epoch + 1, file.Sync()
}
