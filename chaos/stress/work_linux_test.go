package stress

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

const mib = 1 << 20

// A disk is a made-up one: what is free, less what the file under test has
// taken and what others take meanwhile.
type disk struct {
	size   int64 // what is free before anything is filled
	taken  int64 // by the file
	others int64 // taken by others whenever the file grows
	looks  int
	least  int64 // that was ever free when looked at
	fails  error // of the next look
}

func (d *disk) free(string) (int64, error) {
	d.looks++
	left := d.size - d.taken
	if d.looks == 1 || left < d.least {
		d.least = left
	}
	return left, d.fails
}

func (d *disk) allocate(file *os.File, off, n int64) error {
	d.taken += n
	d.size -= d.others
	return file.Truncate(off + n) // sparse: the tests fill no real disk
}

func TestFill(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		disk     disk
		fill     DiskFill
		want     int64 // the file's size at the end
		err      error
		canceled bool
	}{
		"a size":                     {disk: disk{size: 1000 * mib}, fill: DiskFill{Size: 100 * mib, Reserve: 500 * mib}, want: 100 * mib},
		"a size that is no step":     {disk: disk{size: 1000 * mib}, fill: DiskFill{Size: 20*mib + 7, Reserve: 500 * mib}, want: 20*mib + 7},
		"up to the reserve":          {disk: disk{size: 550 * mib}, fill: DiskFill{Size: 100 * mib, Reserve: 500 * mib}, want: 50 * mib, err: errReserve},
		"less than the reserve":      {disk: disk{size: 400 * mib}, fill: DiskFill{Size: 100 * mib, Reserve: 500 * mib}, want: 0, err: errReserve},
		"until free":                 {disk: disk{size: 1000 * mib}, fill: DiskFill{UntilFree: 600 * mib, Reserve: 500 * mib}, want: 400 * mib},
		"until free, to the reserve": {disk: disk{size: 1000 * mib}, fill: DiskFill{UntilFree: 100 * mib, Reserve: 500 * mib}, want: 500 * mib},
		"as much is free already":    {disk: disk{size: 600 * mib}, fill: DiskFill{UntilFree: 600 * mib, Reserve: 500 * mib}, want: 0},
		// Others write 10 MiB with each step of 16: the file stops growing, and
		// gives back what is missing from the reserve.
		"others write meanwhile":  {disk: disk{size: 600 * mib, others: 10 * mib}, fill: DiskFill{Size: 1000 * mib, Reserve: 500 * mib}, want: 60 * mib, err: errReserve},
		"a look that fails":       {disk: disk{size: 600 * mib, fails: broken}, fill: DiskFill{Size: mib, Reserve: mib}, err: broken},
		"ended before it started": {disk: disk{size: 600 * mib}, fill: DiskFill{Size: mib, Reserve: mib}, canceled: true, err: context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if test.canceled {
			cancel()
		}
		file, err := os.Create(filepath.Join(t.TempDir(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		d := test.disk
		if err := fill(ctx, file, test.fill, d.free, d.allocate); !errors.Is(err, test.err) {
			t.Errorf("%s: %v, want %v", name, err, test.err)
		}
		cancel()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != test.want {
			t.Errorf("%s: %d MiB and %d bytes taken, want %d MiB", name, info.Size()/mib, info.Size()%mib, test.want/mib)
		}
		if test.disk.others == 0 && info.Size() > 0 && d.least < test.fill.Reserve {
			t.Errorf("%s: %d bytes of the reserve were touched", name, test.fill.Reserve-d.least)
		}
		_ = file.Close()
	}
}

// On a real filesystem the space is taken, however that is done.
func TestAllocate(t *testing.T) {
	file, err := scratch(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := allocate(file, 0, mib); err != nil {
		t.Fatal(err)
	}
	if err := allocate(file, mib, mib/2); err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil || info.Size() != mib*3/2 {
		t.Errorf("size %d, %v", info.Size(), err)
	}
}

func TestScratchIsOurs(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	file, err := scratch(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its name is left: %v", err)
	}
	if err := os.Symlink("/etc/passwd", name); err != nil {
		t.Fatal(err)
	}
	if _, err := scratch(name); err == nil {
		t.Error("it followed a link that someone else made")
	}
}

// Memory stops growing where the reserve begins.
func TestOccupy(t *testing.T) {
	for name, test := range map[string]struct {
		size, available, reserve int64
		want                     int64
	}{
		"all of it":         {20 * mib, 1000 * mib, 100 * mib, 20 * mib},
		"up to the reserve": {100 * mib, 140 * mib, 100 * mib, 32 * mib},
		"nothing":           {20 * mib, 90 * mib, 100 * mib, 0},
		"less than a page":  {3, 1000 * mib, 100 * mib, 3},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		left, looks := test.available, 0
		available := func() (int64, error) {
			if looks++; looks > 1 {
				left -= memoryStep
			}
			if left-min(memoryStep, test.size) < test.reserve || int64(looks)*memoryStep >= test.size {
				cancel() // it has taken what it may
			}
			return left, nil
		}
		if got := occupy(ctx, Memory{Size: test.size, Reserve: test.reserve}, available); got != test.want {
			t.Errorf("%s: took %d bytes, want %d", name, got, test.want)
		}
		cancel()
	}
}

// A writer does not write what would eat into the reserve.
func TestChurnKeepsReserve(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	file, err := scratch(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	free := func(string) (int64, error) {
		cancel()
		return 100 * mib, nil
	}
	churn(ctx, file, IO{Size: 2 * mib, Reserve: 100 * mib}, free)
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("it wrote %d bytes, %v", info.Size(), err)
	}
	if err := pass(t.Context(), file, IO{Size: 2 * mib, Reserve: 100 * mib}, noise(), free); !errors.Is(err, errReserve) {
		t.Errorf("pass: %v", err)
	}
	if err := pass(t.Context(), file, IO{Size: 2*mib + 5, Reserve: 90 * mib}, noise(), free); err != nil {
		t.Errorf("pass: %v", err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 2*mib+5 {
		t.Errorf("it wrote %d bytes, %v", info.Size(), err)
	}
}

// A worker ends with its context, and takes no core when it has no share.
func TestBurnEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		burn(ctx, 0.01)
	}()
	cancel()
	<-done
}

func BenchmarkSpin(b *testing.B) {
	b.ReportAllocs()
	x := uint64(1)
	for b.Loop() {
		x = spin(x)
	}
}
