//go:build !linux

package lane

import "github.com/brunt-dev/brunt/generators"

// Loop returns nil: the fast path needs Linux.
func Loop(Config) generators.Loop { return nil }
