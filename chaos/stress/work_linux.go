package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// period is the time over which a worker takes its share of a core: short
// enough for a scheduler to see it as steady.
const period = 50 * time.Millisecond

// burn takes the given share of a core until ctx ends. It counts the thread's
// own processor time, not the time that passes, so it takes its share on a
// busy machine too, as far as there is one. What it did not get in one period
// it does not catch up on in the next, and what it took too much it gives back:
// it never takes more than its share.
func burn(ctx context.Context, load float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	share := time.Duration(load * float64(period))
	start := time.Now()
	until, sum := threadTime(), uint64(1)
	for ctx.Err() == nil {
		end := (time.Since(start)/period + 1) * period // of this period
		until = min(until, threadTime()) + share
		for threadTime() < until && time.Since(start) < end {
			sum = spin(sum)
		}
		if load < 1 {
			pause(ctx, end-time.Since(start))
		}
	}
	runtime.KeepAlive(sum)
}

// threadTime is the processor time that this thread has had.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // cannot fail for the own thread
	return time.Duration(t.Nano())
}

// spin keeps a core busy for about ten microseconds.
func spin(x uint64) uint64 {
	for range 5_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

const (
	memoryStep = 16 << 20 // memory taken between two looks at what is left
	memoryPage = 4096     // the smallest page there is
	// memoryKeep is how often the memory is touched again, so that it stays in
	// use and is not swapped out.
	memoryKeep = 5 * time.Second
)

// occupy takes memory and keeps it until ctx ends. It stops taking where less
// than the reserve would be left. It returns what it took before it gave it
// back.
func occupy(ctx context.Context, m Memory, available func() (int64, error)) (took int64) {
	if int64(int(m.Size)) != m.Size {
		return 0
	}
	memory, err := unix.Mmap(-1, 0, int(m.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return 0 // as Verify will see
	}
	defer func() { _ = unix.Munmap(memory) }()
	for took < m.Size && ctx.Err() == nil {
		step := min(memoryStep, m.Size-took)
		if left, err := available(); err != nil || left-step < m.Reserve {
			break
		}
		touch(memory[took : took+step])
		took += step
	}
	for ctx.Err() == nil {
		pause(ctx, memoryKeep)
		touch(memory[:took])
	}
	return took
}

// touch writes to every page, something else to each, so that none can be
// shared or left out.
func touch(memory []byte) {
	for i := 0; i < len(memory); i += memoryPage {
		memory[i]++
		memory[i+min(8, len(memory)-1-i)] = byte(i / memoryPage)
	}
}

// ioSync is how much a writer writes before it makes the disk take it.
const ioSync = 4 << 20

// churn writes a file through to its disk and reads it back, again and again
// until ctx ends. It waits while others have used up the space that it needs.
func churn(ctx context.Context, file *os.File, c IO, free func(string) (int64, error)) {
	block := noise()
	for ctx.Err() == nil {
		if err := pass(ctx, file, c, block, free); err != nil {
			pause(ctx, time.Second)
		}
	}
}

// pass is one time over the file.
func pass(ctx context.Context, file *os.File, c IO, block []byte, free func(string) (int64, error)) error {
	left, err := free(c.Dir)
	if err != nil {
		return err
	}
	for at := int64(0); at < c.Size && ctx.Err() == nil; {
		n := min(int64(len(block)), c.Size-at)
		if size, err := file.Seek(0, 2); err != nil || at+n > size && left-(at+n-size) < c.Reserve {
			return errors.Join(err, errReserve)
		}
		if _, err := file.WriteAt(block[:n], at); err != nil {
			return err
		}
		if at += n; at%ioSync == 0 || at == c.Size {
			if err := unix.Fdatasync(int(file.Fd())); err != nil {
				return err
			}
			if left, err = free(c.Dir); err != nil {
				return err
			}
		}
	}
	// What is dropped from the cache is read from the disk.
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	into := make([]byte, ioBlock)
	for at := int64(0); at < c.Size && ctx.Err() == nil; at += int64(len(into)) {
		if _, err := file.ReadAt(into[:min(int64(len(into)), c.Size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// noise is a block of bytes that no filesystem compresses away.
func noise() []byte {
	b := make([]byte, ioBlock)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

// fillStep is the space taken between two looks at what is left.
const fillStep = 16 << 20

// errReserve says that more would eat into what is to stay free.
var errReserve = errors.New("the reserve is reached")

// fill makes a file grow until it is as large as wanted, or until only as much
// is free as wanted. It looks at the free space before and after every step
// and gives back what is missing from the reserve, should others have written
// meanwhile.
func fill(ctx context.Context, file *os.File, f DiskFill, free func(string) (int64, error), allocate func(*os.File, int64, int64) error) error {
	floor, want := max(f.Reserve, f.UntilFree), f.Size
	for size := int64(0); f.UntilFree > 0 || size < want; {
		if err := ctx.Err(); err != nil {
			return err
		}
		have, err := free(f.Dir)
		if err != nil {
			return err
		}
		step := min(fillStep, have-floor)
		if f.UntilFree == 0 {
			step = min(step, want-size)
		}
		// A filesystem rounds up to its blocks; less than one is not worth it.
		if step < memoryPage && (f.UntilFree > 0 || step < want-size) {
			if f.UntilFree > 0 {
				return nil
			}
			return errReserve
		}
		if err := allocate(file, size, step); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		size += step
		if have, err = free(f.Dir); err != nil {
			return err
		}
		if have < floor {
			return errors.Join(errReserve, file.Truncate(max(0, size-(floor-have))))
		}
	}
	return nil
}

// allocate makes n bytes of a file from off on occupy space: at once where the
// filesystem can, else by writing them.
func allocate(file *os.File, off, n int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, off, n)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	block := noise()
	for at := off; at < off+n; at += int64(len(block)) {
		if _, err := file.WriteAt(block[:min(int64(len(block)), off+n-at)], at); err != nil {
			return err
		}
	}
	return file.Sync()
}
