// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/timens"
)

// A process cannot read another process's [vvar] pages through /proc/PID/mem:
// the page with the offsets depends on who reads it. The kernel warns if
// somebody could, and every run searches the console for warnings.
func TestVvarOfOthers(t *testing.T) {
	timens.Need(t)
	child := resident(t, timens.Unshared(timens.Ahead))
	start := vvarAddress(t, child.PID)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", child.PID))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	buf := make([]byte, 64)
	for page := range int64(4) {
		at := int64(start) + page*timens.PageSize
		if n, err := unix.Pread(int(mem.Fd()), buf, at); err != unix.EIO {
			t.Errorf("read page %d of [vvar] by /proc/PID/mem: %d, %v, want %v", page, n, err, unix.EIO)
		}
	}
}

// vvarAddress returns where [vvar], the vDSO's data, is mapped in a process.
func vvarAddress(t *testing.T, pid int) uintptr {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if !strings.HasSuffix(lines.Text(), "[vvar]") {
			continue
		}
		var start uintptr
		if _, err := fmt.Sscanf(lines.Text(), "%x-", &start); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		return start
	}
	t.Fatal("the child has no [vvar]")
	return 0
}

// When many processes enter an unused time namespace at once, all of them read
// its offsets correctly, and the offsets are final for all.
func TestFirstEntryOfMany(t *testing.T) {
	timens.Need(t)
	const many = 8
	for range 4 {
		var pending *os.File
		timens.WithPending(t, timens.Across, func() { pending = openNamespace(t, unix.Gettid(), "time_for_children") })
		link := fmt.Sprintf("time:[%d]", inode(t, pending))
		var gate [2]int
		if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		var ends []func()
		for range many {
			p := timens.NewProgram(t)
			// Nobody writes to the pipe: closing it lets all
			// readers go on at once.
			p.Syscall(unix.SYS_CLOSE, uintptr(gate[1]))
			p.Syscall(unix.SYS_READ, uintptr(gate[0]), uintptr(unsafe.Pointer(&gateByte)), 1)
			setns := p.Syscall(unix.SYS_SETNS, pending.Fd(), unix.CLONE_NEWTIME)
			v := newVisit(t, p)
			write := p.WriteFile(offsetsFile, "monotonic 1 0\n")
			child, err := timens.Fork(p)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, func() {
				timens.Reap(t, child)
				if err := setns.Err(); err != nil {
					t.Fatalf("setns: %v", err)
				}
				v.check(t, "among many", link, link, timens.Across)
				if err := write.Err(); err != unix.EACCES {
					t.Errorf("write to %s inside: %v, want %v", offsetsFile, err, unix.EACCES)
				}
			})
		}
		for _, fd := range gate {
			if err := unix.Close(fd); err != nil {
				t.Error(err)
			}
		}
		for _, end := range ends {
			end()
		}
	}
}

// gateByte is the buffer of a read() from the gate, which never returns a byte.
var gateByte byte
