// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// The formats of a vmcore.
const (
	Kdump = "kdump" // compressed, without pages of zeros; crash and drgn read it
	ELF   = "elf"   // all memory, at its virtual addresses; gdb and drgn read it
)

// Vmcore says whether a guest that dies or hangs leaves its memory in a file, and what the tools
// that read the file have to know of the kernel. The zero value: it does not.
type Vmcore struct {
	Format string // Kdump or ELF; "": none
	UTS    []byte // the kernel's struct new_utsname; nil: unknown
	Info   []byte // the kernel's VMCOREINFO, which this kernel itself does not have

	// One is shared by guests of which only one is to leave a vmcore; nil: each may.
	One *OneVmcore

	// Say is called with the path of a vmcore, or with the reason why there is none.
	Say func(path string, err error)
}

// OneVmcore lets one of several guests, which may run side by side, leave a vmcore. The zero
// value is ready to use.
type OneVmcore struct {
	mu   sync.Mutex
	left bool
}

// Left reports whether a guest has left a vmcore.
func (o *OneVmcore) Left() bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.left
}

// qmpFormats are the names that QEMU has for our formats.
var qmpFormats = map[string]string{Kdump: "kdump-zlib", ELF: "elf"}

// vmcoreLimit is how long QEMU may take to write the memory. It takes 2 s to compress 512 MB,
// and a busy host may give it a tenth of a CPU.
const vmcoreLimit = 5 * time.Minute

// spareMB is the room on the disk that a vmcore leaves to the rest of the evidence.
const spareMB = 64

// CheckVmcore returns an error if the folder dir, or the one that it will be in, has too little room
// for the vmcores of so many guests that are changed like this.
func CheckVmcore(dir string, c Change, guests int) error {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return room(dir, guests*Guest{Change: c}.memoryMB())
		}
		dir = filepath.Dir(dir)
	}
}

// room returns an error if a folder has too little room for vmcores of guests with so much memory. A
// vmcore is at most as large as the guest's memory. Kdump has no pages of zeros, but nobody knows
// before how many there are.
func room(dir string, memMB int) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	need := memMB + spareMB
	if free := int(fs.Bavail * uint64(fs.Bsize) >> 20); free < need {
		return fmt.Errorf("a vmcore does not fit: it needs %d MB at most, and %s has %d MB free; remove files there, or give the guest less memory by -memory", need, dir, free)
	}
	return nil
}

// canDump returns an error if QEMU cannot write a vmcore of this format.
func (m *monitor) canDump(format string) error {
	answer, err := m.within(answerLimit, `{"execute":"query-dump-guest-memory-capability"}`)
	if gone(err) {
		return nil // QEMU has ended, which others notice
	}
	var has struct{ Formats []string }
	if err == nil {
		err = json.Unmarshal(answer, &has)
	}
	if err == nil && !slices.Contains(has.Formats, qmpFormats[format]) {
		err = fmt.Errorf("it has the formats %q, and not %s", has.Formats, qmpFormats[format])
	}
	if err != nil {
		return fmt.Errorf("this QEMU writes no vmcore: %w; leave out -vmcore, or put the QEMU of your distribution on PATH", err)
	}
	return nil
}

// gone reports whether an error of the monitor says that QEMU has ended.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// leave writes the vmcore of a guest to the folder dir, and says so. A vmcore that is not whole is removed.
// If another guest has left the one vmcore, leave does nothing.
func (v Vmcore) leave(m *monitor, dir string, memMB int) {
	if v.One != nil {
		v.One.mu.Lock()
		defer v.One.mu.Unlock()
		if v.One.left {
			return
		}
	}
	path := filepath.Join(dir, wire.VmcoreFile)
	err := v.write(m, path, memMB)
	if v.One != nil {
		v.One.left = err == nil
	}
	if err != nil {
		_ = os.Remove(path) // it may not exist
	}
	v.Say(path, err)
}

// write writes the vmcore. QEMU's file is it already, or what it is made of.
func (v Vmcore) write(m *monitor, path string, memMB int) error {
	if err := room(filepath.Dir(path), memMB); err != nil {
		return err
	}
	written := path
	if v.Format == Kdump {
		written += ".flat"
		defer os.Remove(written) // it may not exist
	}
	if err := m.dump(written, v.Format); err != nil {
		return fmt.Errorf("QEMU: %w", err)
	}
	info, err := os.Stat(written)
	if err != nil {
		return err
	}
	if v.Format == Kdump {
		err = room(filepath.Dir(path), int(info.Size()>>20))
	} else {
		err = os.Chmod(path, 0o600) // QEMU makes it read-only
	}
	if err != nil {
		return err
	}
	if err := v.describe(written, path); err != nil {
		return fmt.Errorf("QEMU's file cannot be completed: %w", err)
	}
	return nil
}

// dump lets QEMU write the memory of its guest to a file. A guest that runs waits meanwhile.
func (m *monitor) dump(path, format string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	type arguments struct {
		Paging   bool   `json:"paging"` // as the page tables of the running process have it
		Protocol string `json:"protocol"`
		Format   string `json:"format"`
	}
	ask, err := json.Marshal(map[string]any{"execute": "dump-guest-memory", "arguments": arguments{format == ELF, "file:" + path, qmpFormats[format]}})
	if err != nil {
		return err
	}
	_, err = m.within(vmcoreLimit, string(ask))
	return err
}

// action returns QEMU's arguments for a guest that resets: without a vmcore QEMU ends, and with one
// it stops the guest, whose memory and registers stay.
func (v Vmcore) action() []string {
	if v.Format == "" {
		return []string{"-no-reboot"}
	}
	return []string{"-action", "reboot=shutdown,shutdown=pause"}
}

// reset returns a channel that is closed when the guest has reset and QEMU has stopped it. Without
// a vmcore QEMU ends, so that nothing comes.
func (v Vmcore) reset(m *monitor) <-chan struct{} {
	if v.Format == "" {
		return nil
	}
	return m.reset
}
