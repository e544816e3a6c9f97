// SPDX-License-Identifier: BSD-3-Clause

// Package clone calls clone3() for Go programs that need the bare system call.
//
// A Go process always has several threads. A child made by clone3() without
// CLONE_VM is a copy of only one of them and cannot run Go code. So a test
// writes down what the child is to do as a Program, which is a list of system
// calls and vDSO calls. The child runs it with its first instruction after
// clone3(), on a stack of its own, and leaves the results in memory shared with
// the parent.
package clone

import "unsafe"

// Args is struct clone_args with the members of all designs. Pointers are Go
// pointers, so that their targets stay alive. They may also point into memory
// of unix.Mmap, readable or not. Start fills in Stack and StackSize.
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
	Offsets    [2]uint64 // added by the series; the meaning depends on its design, see package design
	Tail       [(MaxSize - SizeVer3) / 8]uint64

	ref  unsafe.Pointer // the target of Offsets; not part of the kernel's structure
	held []byte         // the target of Offsets, if it may be copied
}

// Refer makes Offsets a pointer and a size, and keeps the target alive. The
// garbage collector cannot do that: Offsets has no pointer type, because in one
// design it has two numbers.
func (a *Args) Refer(p unsafe.Pointer, size uint64) {
	a.Offsets, a.ref, a.held = [2]uint64{uint64(uintptr(p)), size}, p, nil
}

// Lack makes Offsets a pointer and a size without any memory behind them.
func (a *Args) Lack(pointer, size uint64) {
	a.Offsets, a.ref, a.held = [2]uint64{pointer, size}, nil, nil
}

// Hold is Refer for a target whose contents matter, and not its address. If a is
// copied into a program, the target is copied, too.
func (a *Args) Hold(b []byte, size uint64) {
	a.Refer(unsafe.Pointer(unsafe.SliceData(b)), size)
	a.held = b
}

// Held returns what Hold was given, if that is what Offsets points at.
func (a *Args) Held() []byte { return a.held }

// Bytes returns v as bytes in memory.
func Bytes[T any](v ...T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v))*unsafe.Sizeof(v[0]))
}

// high is the upper part of a 64-bit member of struct clone_args that holds a
// pointer.
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

// These fail to compile if the layout is not the kernel's.
const (
	_ = uint(SizeVer3 - unsafe.Offsetof(Args{}.Tail))
	_ = uint(unsafe.Offsetof(Args{}.Tail) - SizeVer3)
	_ = uint(SizeVer2 - unsafe.Offsetof(Args{}.Offsets))
	_ = uint(unsafe.Offsetof(Args{}.Offsets) - SizeVer2)
	_ = uint(MaxSize - unsafe.Offsetof(Args{}.ref))
	_ = uint(unsafe.Offsetof(Args{}.ref) - MaxSize)
)
