// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
)

// Handle is struct nsfs_file_handle, by which open_by_handle_at() opens a
// namespace without a path. Type and Inode may both be 0.
type Handle struct {
	ID          uint64
	Type, Inode uint32
}

// HandleType is FILEID_NSFS.
const HandleType = 0xf1

// FileHandle is struct file_handle with a Handle.
type FileHandle struct {
	size uint32
	kind int32
	Handle
}

// NewFileHandle returns h as open_by_handle_at() takes it.
func NewFileHandle(h Handle) FileHandle {
	return FileHandle{uint32(unsafe.Sizeof(h)), HandleType, h}
}

// OpenByHandle adds an open of the namespace whose handle is in h when the step
// runs. h is memory of the program.
func OpenByHandle(p *clone.Program, h *FileHandle) clone.Result {
	const root = ^uintptr(-unix.FD_NSFS_ROOT - 1)
	return p.Syscall(unix.SYS_OPEN_BY_HANDLE_AT, root, clone.Addr(h), unix.O_RDONLY)
}

// ListRequest is struct ns_id_req, what listns() is asked for.
type ListRequest struct {
	Size, Spare  uint32
	After        uint64 // identifier after which the list begins
	Type, Spare2 uint32
	Owner        uint64 // identifier of the user namespace that owns what is listed
}

// ListRequestSize is the size of a ListRequest.
const ListRequestSize = 32

// TimeList is a request for all time namespaces.
var TimeList = ListRequest{Size: ListRequestSize, Type: unix.CLONE_NEWTIME}

// List returns up to n identifiers. The error is not wrapped.
func (r ListRequest) List(n int) ([]uint64, error) {
	ids := make([]uint64, n)
	got, _, errno := unix.Syscall6(unix.SYS_LISTNS, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(unsafe.SliceData(ids))), uintptr(n), 0, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return ids[:got], nil
}

// ListInside adds a listns() that stores up to n identifiers from ids on, which
// is memory of the program.
func (r ListRequest) ListInside(p *clone.Program, ids *uint64, n int) clone.Result {
	return p.Syscall(unix.SYS_LISTNS, p.Data(clone.Bytes(r)), clone.Addr(ids), uintptr(n), 0)
}
