// Package clone is a clone3() for Go programs that want the bare system call.
//
// A Go process always has several threads, so the child of a clone3() without
// CLONE_VM, a copy of one of them, cannot run Go code. What it is to do is
// written down beforehand as a Program, a list of system calls and vDSO calls;
// the child's first instruction after clone3() begins to walk it, on a stack of
// its own, and leaves the results in memory shared with the parent.
package clone

import "unsafe"

// Args is struct clone_args, as wide as the kernel takes it. Pointers are Go
// pointers so that what they point at stays alive; they may also point into
// memory of unix.Mmap, readable or not. Start fills in Stack and StackSize.
type Args struct {
	Flags      uint64
	Pidfd      *int32
	_          high
	ChildTID   *int32
	_          high
	ParentTID  *int32
	_          high
	ExitSignal uint64
	Stack      uint64
	StackSize  uint64
	TLS        uint64
	SetTID     *int32
	_          high
	SetTIDSize uint64
	Cgroup     uint64
	Offsets    [2]uint64 // since the series; what they mean depends on its design, see package design
	Tail       [(MaxSize - SizeVer3) / 8]uint64

	ref  unsafe.Pointer // not the kernel's: what Offsets points at
	held []byte         // the same, where it may be copied
}

// Refer makes Offsets a pointer and a size, and keeps alive what is pointed at.
// Offsets may be numbers just as well, and so cannot be seen by the collector.
func (a *Args) Refer(p unsafe.Pointer, size uint64) {
	a.Offsets, a.ref, a.held = [2]uint64{uint64(uintptr(p)), size}, p, nil
}

// Lack makes Offsets a pointer and a size of which there is no memory.
func (a *Args) Lack(pointer, size uint64) {
	a.Offsets, a.ref, a.held = [2]uint64{pointer, size}, nil, nil
}

// Hold is Refer for memory of which nothing but its contents matters, so that it
// can go with a where a goes.
func (a *Args) Hold(b []byte, size uint64) {
	a.Refer(unsafe.Pointer(unsafe.SliceData(b)), size)
	a.held = b
}

// Held returns what Hold was given, if that is what Offsets points at.
func (a *Args) Held() []byte { return a.held }

// Bytes returns v as memory.
func Bytes[T any](v ...T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v))*unsafe.Sizeof(v[0]))
}

// high is the rest of the 64 bits that a pointer has in struct clone_args.
type high [8 - unsafe.Sizeof(uintptr(0))]byte

// The sizes that struct clone_args has had, and the largest one that clone3()
// looks at.
const (
	SizeVer0 = 64
	SizeVer1 = 80  // with SetTID
	SizeVer2 = 88  // with Cgroup
	SizeVer3 = 104 // with Offsets
	MaxSize  = 4096
)

// The layout is the kernel's or nothing here means anything.
const (
	_ = uint(SizeVer3 - unsafe.Offsetof(Args{}.Tail))
	_ = uint(unsafe.Offsetof(Args{}.Tail) - SizeVer3)
	_ = uint(SizeVer2 - unsafe.Offsetof(Args{}.Offsets))
	_ = uint(unsafe.Offsetof(Args{}.Offsets) - SizeVer2)
	_ = uint(MaxSize - unsafe.Offsetof(Args{}.ref))
	_ = uint(unsafe.Offsetof(Args{}.ref) - MaxSize)
)
