package uring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring is an io_uring that sends on many sockets with one system call. The
// sockets do not block, so that every send has ended when the call returns, and
// the kernel keeps no memory of ours. It belongs to one thread.
//
// The layout is that of linux/io_uring.h.
type Ring struct {
	fd             int
	rings, entries []byte // shared with the kernel: both queues; the submissions themselves
	submissions    []submission
	tail           *uint32 // of the submission queue; ours
	head           *uint32 // of the completion queue; ours
	ready          *uint32 // tail of the completion queue; the kernel's
	completions    []completion
}

// A submission is struct io_uring_sqe as a send uses it.
type submission struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	offset        uint64
	address       uint64
	length        uint32
	sendFlags     uint32
	userData      uint64
	_             [3]uint64
}

// A completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	result   int32 // bytes taken, or an errno below zero
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	submissions, completions, flags, threadCPU, threadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, completions, flags, _ uint32
		_                                                          uint64
	}
}

const (
	opSend        = 26 // IORING_OP_SEND, Linux 5.6
	oneMapping    = 1  // IORING_FEAT_SINGLE_MMAP, Linux 5.4
	mapRings      = 0  // IORING_OFF_SQ_RING
	mapEntries    = 0x10000000
	getEvents     = 1 // IORING_ENTER_GETEVENTS
	completionLen = int(unsafe.Sizeof(completion{}))
)

// New makes a ring for n sends at once, a power of two. It fails where the
// kernel has none or does not let us have it, as in most containers.
func New(n int) (*Ring, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("set up io_uring: %w", errno)
	}
	r := &Ring{fd: int(fd)}
	if p.features&oneMapping == 0 {
		return nil, errors.Join(errors.New("set up io_uring: the kernel's is too old"), r.Close())
	}
	size := max(int(p.sq.array+4*p.submissions), int(p.cq.completions)+int(p.completions)*completionLen)
	var err error
	if r.rings, err = unix.Mmap(r.fd, mapRings, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, errors.Join(fmt.Errorf("map io_uring: %w", err), r.Close())
	}
	if r.entries, err = unix.Mmap(r.fd, mapEntries, int(p.submissions)*int(unsafe.Sizeof(submission{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, errors.Join(fmt.Errorf("map io_uring: %w", err), r.Close())
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }
	r.tail, r.head, r.ready = at(p.sq.tail), at(p.cq.head), at(p.cq.tail)
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.submissions)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.rings[p.cq.completions])), p.completions)
	// Submission i always lies in place i.
	for i := range p.submissions {
		*at(p.sq.array + 4*i) = i
	}
	return r, nil
}

// Close gives the ring back.
func (r *Ring) Close() error {
	var errs []error
	if r.entries != nil {
		errs = append(errs, unix.Munmap(r.entries))
	}
	if r.rings != nil {
		errs = append(errs, unix.Munmap(r.rings))
	}
	return errors.Join(append(errs, unix.Close(r.fd))...)
}

// Put makes a send the i-th of those that Send does next; i goes up by one from
// 0 and stays below the ring's size. The data must stay as it is until then.
func (r *Ring) Put(i int, fd int32, data []byte) {
	at := *r.tail + uint32(i)
	r.submissions[at&uint32(len(r.submissions)-1)] = submission{
		opcode: opSend, fd: fd, address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(data)))), length: uint32(len(data)),
		sendFlags: unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, userData: uint64(i),
	}
}

// Undone is the result of a send that was not done.
const Undone = -1 << 31

// Send does the sends that were put, as many as there are results, and says
// what became of each: how many bytes the socket took, or an errno below zero. After an error some may be undone, and the ring is of no
// more use.
func (r *Ring) Send(results []int32) error {
	for i := range results {
		results[i] = Undone
	}
	atomic.AddUint32(r.tail, uint32(len(results)))
	submit := len(results)
	for left := len(results); left > 0; {
		got, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), uintptr(left), getEvents, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("enter io_uring: %w", errno)
		}
		if errno == 0 {
			submit -= int(got)
		}
		head := *r.head
		for tail := atomic.LoadUint32(r.ready); head != tail; head++ {
			c := r.completions[head&uint32(len(r.completions)-1)]
			results[c.userData] = c.result
			left--
		}
		atomic.StoreUint32(r.head, head)
	}
	return nil
}
