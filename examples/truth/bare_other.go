//go:build !linux

package truth

import "context"

// Bare returns an error: the bare client needs Linux.
func Bare(context.Context, string, float64, int, int) (Distribution, error) {
	return Distribution{}, errLinux
}
