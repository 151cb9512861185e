//go:build !linux

package truth

import (
	"context"
	"errors"
)

// errLinux says where the truth server works: its precision is made of what
// only Linux has.
var errLinux = errors.New("the truth server needs Linux")

// Serve returns an error: the truth server needs Linux.
func Serve(context.Context, string, Options, func(url string)) error { return errLinux }
