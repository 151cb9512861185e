package clock

import (
	"errors"
	"fmt"
	"io/fs"
)

// libraries are where distributions put libfaketime, below the root; the one
// for programs with threads, which does for others too.
var libraries = []string{
	"usr/lib/*/faketime/libfaketimeMT.so.1",
	"usr/lib/faketime/libfaketimeMT.so.1",
	"usr/lib64/faketime/libfaketimeMT.so.1",
	"usr/local/lib/faketime/libfaketimeMT.so.1",
}

// findLibrary finds libfaketime in a root file system.
func findLibrary(root fs.FS) (string, error) {
	for _, pattern := range libraries {
		found, err := fs.Glob(root, pattern)
		if err != nil {
			return "", fmt.Errorf("find libfaketime: %w", err)
		}
		if len(found) > 0 {
			return "/" + found[0], nil
		}
	}
	return "", errors.New("find libfaketime: it is not installed (on Debian: apt-get install libfaketime); or say where it is with --library")
}
