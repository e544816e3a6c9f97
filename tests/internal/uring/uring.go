// SPDX-License-Identifier: BSD-3-Clause

// Package uring is the part of io_uring that is needed to wait for a deadline.
package uring

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operation codes and flags, with the kernel's names.
const (
	OpPollAdd     = 6
	OpTimeout     = 11
	opRemove      = 12 // IORING_OP_TIMEOUT_REMOVE
	OpLinkTimeout = 15

	EntryIOLink = 1 << 2

	TimeoutAbs      = 1 << 0
	timeoutUpdate   = 1 << 1
	TimeoutBoottime = 1 << 2
	// UpdateLinked is a flag of Update if the target is an entry for OpLinkTimeout.
	UpdateLinked = 1 << 4

	enterGetevents = 1 << 0
	enterExtArg    = 1 << 3
	EnterAbsTimer  = 1 << 5
)

// Entry is struct io_uring_sqe.
type Entry struct {
	Op       uint8
	Flags    uint8
	_        uint16
	FD       int32
	Off      uint64
	Addr     uint64
	Len      uint32
	OpFlags  uint32
	UserData uint64
	_        [3]uint64
}

// Completion is struct io_uring_cqe.
type Completion struct {
	UserData uint64
	Res      int32
	Flags    uint32
}

// Timespec is struct __kernel_timespec, which is the same in 32-bit and 64-bit
// programs.
type Timespec struct{ Sec, Nsec int64 }

// NewTimespec returns d for Timeout or Ring.Wait.
func NewTimespec(d time.Duration) *Timespec {
	return &Timespec{int64(d / time.Second), int64(d % time.Second)}
}

// Timeout returns an entry for OpTimeout or OpLinkTimeout. The caller must keep
// ts alive until Submit has returned.
func Timeout(op uint8, ts *Timespec, flags uint32, userData uint64) Entry {
	return Entry{Op: op, FD: -1, Addr: uint64(uintptr(unsafe.Pointer(ts))), Len: 1, OpFlags: flags, UserData: userData}
}

// Update returns an entry that replaces the time of the timeout target, which is the
// UserData of an entry for OpTimeout or OpLinkTimeout. The caller must keep ts alive until
// Submit has returned.
func Update(target uint64, ts *Timespec, flags uint32, userData uint64) Entry {
	return Entry{Op: opRemove, FD: -1, Off: uint64(uintptr(unsafe.Pointer(ts))), Addr: target, OpFlags: timeoutUpdate | flags, UserData: userData}
}

type params struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32
	_                                                                  [3]uint32
	sq                                                                 struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		_                                                           uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		_                                                           uint64
	}
}

// Ring is an io_uring with room for eight entries.
type Ring struct {
	fd      int
	p       params
	rings   []byte
	entries []byte
}

const (
	featSingleMmap = 1 << 0
	offEntries     = 0x10000000
)

// New returns a ring.
func New() (*Ring, error) {
	r := new(Ring)
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafe.Pointer(&r.p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r.fd = int(fd)
	if r.p.features&featSingleMmap == 0 {
		return nil, fmt.Errorf("io_uring_setup: features %#x: one mapping is not enough", r.p.features)
	}
	size := max(r.p.sq.array+4*r.p.sqEntries, r.p.cq.cqes+r.p.cqEntries*uint32(unsafe.Sizeof(Completion{})))
	var err error
	if r.rings, err = unix.Mmap(r.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map the rings: %w", err)
	}
	size = r.p.sqEntries * uint32(unsafe.Sizeof(Entry{}))
	if r.entries, err = unix.Mmap(r.fd, offEntries, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map the entries: %w", err)
	}
	return r, nil
}

// Close cancels pending entries and frees the ring.
func (r *Ring) Close() error {
	for _, mem := range [][]byte{r.rings, r.entries} {
		if err := unix.Munmap(mem); err != nil {
			return fmt.Errorf("unmap a ring: %w", err)
		}
	}
	return unix.Close(r.fd)
}

func (r *Ring) word(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }

// Submit passes at most eight entries to the kernel.
func (r *Ring) Submit(entries ...Entry) error {
	tail := atomic.LoadUint32(r.word(r.p.sq.tail))
	for _, e := range entries {
		i := tail & *r.word(r.p.sq.ringMask)
		*(*Entry)(unsafe.Pointer(&r.entries[uintptr(i)*unsafe.Sizeof(e)])) = e
		*r.word(r.p.sq.array + 4*i) = i
		tail++
	}
	atomic.StoreUint32(r.word(r.p.sq.tail), tail)
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(len(entries)), 0, 0, 0, 0)
	if errno != 0 || int(n) != len(entries) {
		return fmt.Errorf("io_uring_enter took %d of %d entries: %w", int(n), len(entries), errno)
	}
	return nil
}

// Wait waits for a completion. The timeout may be nil. It is relative, or with
// EnterAbsTimer a deadline. When it is over Wait returns unix.ETIME, not
// wrapped.
func (r *Ring) Wait(timeout *Timespec, flags uint32) (Completion, error) {
	arg := struct {
		sigmask           uint64
		sigmaskSize, usec uint32
		ts                uint64
	}{ts: uint64(uintptr(unsafe.Pointer(timeout)))}
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 1,
		uintptr(enterGetevents|enterExtArg|flags), uintptr(unsafe.Pointer(&arg)), unsafe.Sizeof(arg))
	runtime.KeepAlive(timeout)
	if errno != 0 {
		return Completion{}, errno
	}
	head := atomic.LoadUint32(r.word(r.p.cq.head))
	if head == atomic.LoadUint32(r.word(r.p.cq.tail)) {
		return Completion{}, fmt.Errorf("io_uring_enter returned without a completion")
	}
	i := uintptr(r.p.cq.cqes) + uintptr(head&*r.word(r.p.cq.ringMask))*unsafe.Sizeof(Completion{})
	c := *(*Completion)(unsafe.Pointer(&r.rings[i]))
	atomic.StoreUint32(r.word(r.p.cq.head), head+1)
	return c, nil
}
