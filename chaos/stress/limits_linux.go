package stress

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// affordable refuses what the machine does not have, with the reserve left
// over. memory and free say what there is, in bytes.
func (o orders) affordable(memory func() (int64, error), free func(dir string) (int64, error)) error {
	if o.CPU != nil {
		if cores := runtime.NumCPU(); o.CPU.Workers > cores {
			return fmt.Errorf("%d cpu workers are asked for, and there are %d cores", o.CPU.Workers, cores)
		}
	}
	if m := o.Memory; m != nil {
		have, err := memory()
		if err != nil {
			return err
		}
		if have-m.Size < m.Reserve {
			return fmt.Errorf("%s of memory are asked for and %s are to stay available, and %s are", bytes(m.Size), bytes(m.Reserve), bytes(have))
		}
	}
	written := int64(0) // both may be on one disk
	if io := o.IO; io != nil {
		if inMemory(io.Dir) {
			return fmt.Errorf("%s is in memory: there is no disk to keep busy", io.Dir)
		}
		if io.Size > math.MaxInt64/mostIOWorkers {
			return fmt.Errorf("io: %s are more than any disk has", bytes(io.Size))
		}
		written = io.Size * int64(io.Workers)
		if err := fits(io.Dir, written, io.Reserve, free); err != nil {
			return err
		}
	}
	if fill := o.Fill; fill != nil {
		if fill.UntilFree == 0 {
			return fits(fill.Dir, saturate(written, fill.Size), fill.Reserve, free)
		}
		have, err := free(fill.Dir)
		if err != nil {
			return err
		}
		if have-written <= fill.UntilFree {
			return fmt.Errorf("%s are free at %s, not more than the %s to be left: there is nothing to fill", bytes(have), fill.Dir, bytes(fill.UntilFree))
		}
	}
	return nil
}

func fits(dir string, size, reserve int64, free func(dir string) (int64, error)) error {
	have, err := free(dir)
	if err != nil {
		return err
	}
	if have-size < reserve {
		return fmt.Errorf("%s of disk space are asked for at %s and %s are to stay free, and %s are", bytes(size), dir, bytes(reserve), bytes(have))
	}
	return nil
}

// saturate adds two sizes that are not negative.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// space says how many bytes anyone but root could still write to the
// filesystem of a folder; where it is in memory, not more than that has.
func space(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("look at disk space of %s: %w", dir, err)
	}
	block := max(int64(s.Bsize), 1) //nolint:unconvert // 32 bits on some architectures
	free := int64(min(s.Bavail, uint64(math.MaxInt64/block))) * block
	if inMemory(dir) {
		memory, err := available()
		return min(free, memory), err
	}
	return free, nil
}

// inMemory says whether a folder's files are held in memory.
func inMemory(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && (uint32(s.Type) == unix.TMPFS_MAGIC || uint32(s.Type) == unix.RAMFS_MAGIC)
}

// available says how many bytes of memory can be taken without swapping: the
// machine's, or what the tightest of brunt's control groups leaves.
func available() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("look at memory: %w", err)
	}
	kib, ok := valueOf(string(text), "MemAvailable:")
	if !ok {
		return 0, errors.New("look at memory: no MemAvailable in /proc/meminfo")
	}
	have := kib * 1024
	groups, err := os.ReadFile("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return have, nil // a kernel without control groups
	}
	if err != nil {
		return 0, fmt.Errorf("look at control groups: %w", err)
	}
	for _, group := range memoryGroups(string(groups)) {
		if left, ok := group.left(); ok {
			have = min(have, left)
		}
	}
	return have, nil
}

// A memoryGroup is one control group with the files that hold its limit and
// what is used of it.
type memoryGroup struct{ limit, used string }

// memoryGroups are the control groups that a process is in, up to the root.
func memoryGroups(proc string) []memoryGroup {
	var groups []memoryGroup
	for line := range strings.Lines(proc) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, limit, used := "/sys/fs/cgroup", "memory.max", "memory.current"
		switch {
		case parts[1] == "memory":
			root, limit, used = "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		case parts[1] != "":
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			groups = append(groups, memoryGroup{path.Join(root, dir, limit), path.Join(root, dir, used)})
			if dir == "/" {
				break
			}
		}
	}
	return groups
}

// left is what the group may still take; false where it has no limit.
func (g memoryGroup) left() (int64, bool) {
	limit, ok := number(g.limit)
	used, ok2 := number(g.used)
	return max(limit-used, 0), ok && ok2
}

// number reads a file with one number in it.
func number(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// valueOf finds the number after a name in a file of lines such as
// "MemAvailable:   23297 kB".
func valueOf(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			fields := strings.Fields(rest)
			if len(fields) == 0 {
				return 0, false
			}
			n, err := strconv.ParseInt(fields[0], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
