package main

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// pinned calls start on a thread that runs on the CPUs alone, which is what a
// process started by it inherits. No CPUs: anywhere.
func pinned(cpus []int, start func() error) error {
	if cpus == nil {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("pin to CPU %v: %w", cpus, err)
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %v: %w", cpus, err)
	}
	err := start()
	if back := unix.SchedSetaffinity(0, &before); back != nil && err == nil {
		err = fmt.Errorf("unpin: %w", back)
	}
	return err
}
