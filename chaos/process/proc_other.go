//go:build !linux

package process

import (
	"errors"
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// errSystem answers everything that needs Linux's /proc.
var errSystem = fmt.Errorf("process faults need Linux: %w", errors.ErrUnsupported)

func identify(int) (identity, error)           { return identity{}, errSystem }
func (identity) look() (condition, error)      { return "", errSystem }
func (identity) startedAt() (time.Time, error) { return time.Time{}, errSystem }
func protected(identity) error                 { return errSystem }
func bootID() (string, error)                  { return "", errSystem }
func sameBoot(string) bool                     { return true }
func programNames(int) []string                { return nil }
func listeners(int) (pids []int, err error)    { return nil, errSystem }
func runningProgram(string) ([]int, error)     { return nil, errSystem }
func ofUnit(string) ([]int, error)             { return nil, errSystem }

func (limits) picture(identity, string) (image, error)   { return image{}, errSystem }
func (limits) limit(identity, image) error               { return errSystem }
func (limits) lift(identity, image) error                { return errSystem }
func (limits) look(identity, image) (chaos.State, error) { return "", errSystem }
func (move) throttled() string                           { return "" }

// Owned finds nothing: nothing is limited here.
func Owned() ([]chaos.Receipt, error) { return nil, nil }
