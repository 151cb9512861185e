package lane

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const readBuffer = 64 << 10

// A reader receives from sockets, in the open model with the kernel's stamps
// of when the bytes came: there the lane sleeps while answers lie unread. In
// the closed one, and while it is behind, it is at them all the time, and to
// ask for stamps would cost up to a tenth of the request: answers end when they
// are read. It belongs to one lane and is used in place: it must not be copied
// after init.
type reader struct {
	stamps  bool // whether the sockets are stamped
	atOnce  bool // there is no sleep between two looks for answers: stamps are not asked for
	buffer  []byte
	control [64]byte
	vector  unix.Iovec
	header  unix.Msghdr
}

func (r *reader) init(stamps bool) {
	r.stamps = stamps
	r.buffer = make([]byte, readBuffer)
	r.header.Iov, r.header.Iovlen = &r.vector, 1
	r.header.Control = &r.control[0]
}

// read receives into the buffer behind what is kept there. at is when the
// kernel got the last of it, on the wall clock in nanoseconds; 0 when it did
// not say.
func (r *reader) read(fd int32, kept int) (n int, at int64, errno unix.Errno) {
	room := r.buffer[kept:]
	if !r.stamps || r.atOnce {
		got, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(len(room)), 0, 0, 0)
		if errno != 0 {
			return 0, 0, errno
		}
		return int(got), 0, 0
	}
	r.vector.Base = unsafe.SliceData(room)
	r.vector.SetLen(len(room))
	r.header.SetControllen(len(r.control))
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.header)), 0)
	if errno != 0 {
		return 0, 0, errno
	}
	const stamp = unix.SizeofCmsghdr + int(unsafe.Sizeof(unix.Timespec{}))
	if r.header.Controllen >= uint64(stamp) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&r.control[0]))
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS {
			at = (*unix.Timespec)(unsafe.Pointer(&r.control[unix.SizeofCmsghdr])).Nano()
		}
	}
	return int(got), at, 0
}

// A stamp is from the wall clock, which may be stepped: clocks are read
// together for each batch of events, and a stamp that they put before the start
// of its operation, or further after the batch's than one takes, is not believed.
const batch = 10 * time.Millisecond

// lookAtClocks notes what the wall clock says when the run's says now.
func (l *lane) lookAtClocks() {
	t := time.Now()
	l.clock = t.Sub(l.run.Origin)
	l.wall = t.UnixNano() - int64(l.clock)
}

// came turns the kernel's stamp into the run's time.
func (l *lane) came(stamp int64, started time.Duration) time.Duration {
	if stamp == 0 {
		return l.now()
	}
	if at := time.Duration(stamp - l.wall); at >= started && at < l.clock+batch {
		return at
	}
	return l.now()
}

// shortSleep is up to which a sleep is hidden from the runtime. Told of it,
// the runtime would hand our processor to another thread and back, which
// costs more than all else about a request; untold, a garbage collection may
// have to wait for so long.
const shortSleep = 200 * time.Microsecond

// sleep sleeps for d; events of connections do not wake it. A signal may end
// it early.
func sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	if d <= shortSleep {
		_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		return
	}
	_, _, _ = unix.Syscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}
