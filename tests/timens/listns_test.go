// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/capability"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/osthread"
	"timens-vmtest/tests/internal/timens"
)

type listRequest timens.ListRequest

// currentUser is LISTNS_CURRENT_USER, as Owner.
const currentUser = 1<<64 - 1

// timeList is a request for all time namespaces.
var timeList = listRequest(timens.TimeList)

// list returns up to n identifiers. The error is not wrapped.
func (r listRequest) list(n int) ([]uint64, error) { return timens.ListRequest(r).List(n) }

// needList is list for a test that is skipped on a kernel without listns().
func (r listRequest) needList(t *testing.T) []uint64 {
	t.Helper()
	ids, err := r.list(1000)
	lacks(t, "listns()", err, unix.ENOSYS)
	if err != nil {
		t.Fatalf("listns(%+v): %v", r, err)
	}
	return ids
}

// listInside adds a listns() to a program.
func (r listRequest) listInside(p *clone.Program) (clone.Result, *[8]uint64) {
	ids := clone.Alloc[[8]uint64](p)
	return timens.ListRequest(r).ListInside(p, &ids[0], len(ids)), ids
}

// listns() lists the identifiers of the time namespaces in which somebody is, or
// whose children will be there, in ascending order. Those that everybody has left
// are not listed.
func TestListns(t *testing.T) {
	timens.Need(t)
	before := timeList.needList(t)
	if !slices.Contains(before, initialID) || !slices.IsSorted(before) {
		t.Errorf("listns() lists %d, want the initial namespace %d among them, in ascending order", before, initialID)
	}
	var children []*clone.Child
	var want []uint64
	for range 2 {
		child := start(t, newTime(0), withUnshared(t)) // not on a thread, which might end later
		children = append(children, child)
		for _, name := range linkNames {
			file := openNamespace(t, child.PID, name)
			want = append(want, needID(t, file))
			file.Close()
		}
	}
	if got := timeList.needList(t); !slices.Equal(got, slices.Concat(before, want)) {
		t.Errorf("with new namespaces %d listns() lists %d, and before them %d", want, got, before)
	}
	for _, child := range children {
		finish(t, child)
	}
	if got := timeList.needList(t); !slices.Equal(got, before) {
		t.Errorf("after the end of all that were in %d listns() lists %d, and before them %d", want, got, before)
	}
}

// A list that begins after an identifier has the later ones alone, so a caller can
// read all of them in pieces. If there is none, listns() fails with ENOENT.
func TestListnsInPieces(t *testing.T) {
	timens.Need(t)
	resident(t, timens.Unshared(timens.Ahead))
	resident(t, timens.Unshared(timens.Behind))
	all := timeList.needList(t)
	for size := 1; size <= 2; size++ {
		request := timeList
		var got []uint64
		for len(got) <= len(all) {
			ids, err := request.list(size)
			if err == unix.ENOENT {
				break
			}
			if err != nil || len(ids) == 0 {
				t.Fatalf("listns() of %d after %d: %d, %v", size, request.After, ids, err)
			}
			got = append(got, ids...)
			request.After = ids[len(ids)-1]
		}
		if !slices.Equal(got, all) {
			t.Errorf("listns() lists %d in pieces of %d, and %d at once", got, size, all)
		}
	}
	if ids, err := timeList.list(0); len(ids) != 0 || err != nil {
		t.Errorf("listns() without room: %d, %v, want none", ids, err)
	}
}

// listns() lists the kinds of namespaces that it is asked for, and all kinds if it
// is asked for none.
func TestListnsOfKinds(t *testing.T) {
	timens.Need(t)
	initial := map[uint64]uint32{
		1: unix.CLONE_NEWIPC, 2: unix.CLONE_NEWUTS, 3: unix.CLONE_NEWUSER, 4: unix.CLONE_NEWPID,
		5: unix.CLONE_NEWCGROUP, initialID: unix.CLONE_NEWTIME, 7: unix.CLONE_NEWNET, 8: unix.CLONE_NEWNS,
	}
	for _, kinds := range []uint32{0, unix.CLONE_NEWTIME, unix.CLONE_NEWTIME | unix.CLONE_NEWUTS, unix.CLONE_NEWUSER} {
		got := listRequest{Size: timens.ListRequestSize, Type: kinds}.needList(t)
		for id, kind := range initial {
			if want := kinds == 0 || kinds&kind != 0; slices.Contains(got, id) != want {
				t.Errorf("listns() of the kinds %#x: the initial namespace of kind %#x is listed: %v, want %v", kinds, kind, !want, want)
			}
		}
	}
}

// listns() can list the time namespaces that one user namespace owns. A process
// without privilege over all namespaces sees only the one that it is in.
func TestListnsOfOwner(t *testing.T) {
	timens.Need(t)
	timeList.needList(t)
	inUser := launcher(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME, unix.SIGCHLD)
	child := start(t, inUser, withUnshared(t))
	defer finish(t, child)
	request := timeList
	request.Owner = needID(t, openNamespace(t, child.PID, "user"))
	var want []uint64
	for _, name := range linkNames {
		want = append(want, needID(t, openNamespace(t, child.PID, name)))
	}
	if got := request.needList(t); !slices.Equal(got, want) {
		t.Errorf("listns() of the owner %d: %d, want %d", request.Owner, got, want)
	}
	request.Owner = want[0]
	if ids, err := request.list(8); err != unix.EINVAL {
		t.Errorf("listns() with a time namespace as the owner: %d, %v, want %v", ids, err, unix.EINVAL)
	}

	p := timens.NewProgram(t)
	unshare := p.Syscall(unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
	file := p.Open(current, unix.O_RDONLY)
	id := clone.Alloc[uint64](p)
	get := p.On(file, unix.SYS_IOCTL, unix.NS_GET_ID, clone.Addr(id))
	request.Owner = currentUser
	list, ids := request.listInside(p)
	timens.Run(t, inUser, p)
	steps{"unshare": unshare, "open": file, "NS_GET_ID": get, "listns": list}.check(t)
	if n, _ := list.Value(); n != 1 || ids[0] != *id {
		t.Errorf("listns() of the caller's user namespace: %d, the first of %d, want %d alone", n, ids, *id)
	}
}

// A user, and a process of another PID or user namespace, see only the time
// namespace that the caller is in.
func TestListnsOfStranger(t *testing.T) {
	timens.Need(t)
	timeList.needList(t)
	resident(t, timens.Unshared(timens.Ahead))
	err := osthread.Run(func() error {
		if err := capability.SetUser(user); err != nil {
			return err
		}
		if ids, err := timeList.list(8); !slices.Equal(ids, []uint64{initialID}) || err != nil {
			t.Errorf("listns() of user %d: %d, %v, want %d alone", user, ids, err, initialID)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for name, flags := range map[string]uint64{"PID": unix.CLONE_NEWPID, "user": unix.CLONE_NEWUSER} {
		p := timens.NewProgram(t)
		list, ids := timeList.listInside(p)
		timens.Run(t, launcher(flags, unix.SIGCHLD), p)
		if n, err := list.Value(); n != 1 || ids[0] != initialID {
			t.Errorf("listns() from a new %s namespace: %d of %d, %v, want %d alone", name, n, ids, err, initialID)
		}
	}
}

// listns() refuses requests that it does not know, and memory that it cannot use.
func TestListnsRefuses(t *testing.T) {
	timens.Need(t)
	timeList.needList(t)
	mem := timens.TwoPages(t, unix.PROT_READ|unix.PROT_WRITE, unix.PROT_NONE)
	page := uintptr(unsafe.Pointer(&mem[0]))
	write := func(r listRequest, tail ...byte) uintptr {
		copy(mem, append(clone.Bytes(r), tail...))
		return page
	}
	changed := func(change func(*listRequest)) uintptr {
		r := timeList
		change(&r)
		return write(r)
	}
	const room = 8
	into := page + 1024
	for _, test := range []struct {
		name    string
		request func() uintptr
		ids     uintptr
		n       uintptr
		flags   uintptr
		want    unix.Errno // 0: success
	}{
		{"valid", func() uintptr { return write(timeList) }, into, room, 0, 0},
		{"a flag", func() uintptr { return write(timeList) }, into, room, 1, unix.EINVAL},
		{"a reserved member", func() uintptr { return changed(func(r *listRequest) { r.Spare = 1 }) }, into, room, 0, unix.EINVAL},
		{"no size", func() uintptr { return changed(func(r *listRequest) { r.Size = 0 }) }, into, room, 0, unix.EINVAL},
		{"a size that is too small", func() uintptr { return changed(func(r *listRequest) { r.Size-- }) }, into, room, 0, unix.EINVAL},
		{"larger than a page", func() uintptr { return changed(func(r *listRequest) { r.Size = timens.PageSize + 1 }) }, into, room, 0, unix.E2BIG},
		{"an unknown member", func() uintptr { r := timeList; r.Size += 8; return write(r, 0, 0, 0, 0, 0, 0, 0, 1) }, into, room, 0, unix.E2BIG},
		{"an unknown member that is zero", func() uintptr { r := timeList; r.Size += 8; return write(r, make([]byte, 8)...) }, into, room, 0, 0},
		{"an unknown kind", func() uintptr { return changed(func(r *listRequest) { r.Type |= unix.CLONE_VM }) }, into, room, 0, unix.EOPNOTSUPP},
		{"an owner that does not exist", func() uintptr { return changed(func(r *listRequest) { r.Owner = 1 << 40 }) }, into, room, 0, unix.EINVAL},
		{"too many", func() uintptr { return write(timeList) }, into, 1000001, 0, unix.EOVERFLOW},
		{"an unreadable request", func() uintptr { return page + timens.PageSize }, into, room, 0, unix.EFAULT},
		{"unwritable memory", func() uintptr { return write(timeList) }, page + timens.PageSize, room, 0, unix.EFAULT},
	} {
		if _, _, errno := unix.Syscall6(unix.SYS_LISTNS, test.request(), test.ids, test.n, test.flags, 0, 0); errno != test.want {
			t.Errorf("%s: %v, want %v", test.name, errno, test.want)
		}
	}
}

// listns() refuses a request whose reserved members are not zero.
func TestGapListnsSpare(t *testing.T) {
	timens.Need(t)
	timeList.needList(t)
	request := timeList
	request.Spare2 = 1
	if ids, err := request.list(8); err != unix.EINVAL {
		t.Errorf("listns(%+v): %d, %v, want %v", request, ids, err, unix.EINVAL)
	}
}
