// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/nearest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/vm"
)

// memory is a flag with a number of MB.
type memory int

var memoryRE = regexp.MustCompile(`^([1-9][0-9]{0,6})([MG])$`)

func (m *memory) String() string { return fmt.Sprintf("%dM", *m) }

func (m *memory) Set(value string) error {
	match := memoryRE.FindStringSubmatch(value)
	if match == nil {
		return errors.New("want a size such as 1G or 768M")
	}
	n, err := strconv.Atoi(match[1])
	if match[2] == "G" {
		n <<= 10
	}
	*m = memory(n)
	return err
}

// optional is a string flag that may stand without a value.
type optional struct {
	value *string
	alone string   // what it means without a value
	known []string // the values that it may have; nil: any
}

func (o optional) String() string {
	if o.value == nil { // package flag asks the zero value
		return ""
	}
	return *o.value
}

func (o optional) IsBoolFlag() bool { return true }

func (o optional) Set(value string) error {
	switch {
	case value == "true":
		value = o.alone
	case value == "false":
		value = ""
	case o.known != nil && !slices.Contains(o.known, value):
		return fmt.Errorf("want %s", strings.Join(o.known, " or "))
	}
	*o.value = value
	return nil
}

// checkVmcore finds out whether the vmcores of all guests that may die fit into the folder that will have them.
func (c *Command) checkVmcore() error {
	if c.vmcore == "" {
		return nil
	}
	dir := os.TempDir() // where a shell keeps what is left of it
	if c.keeps {
		dir = c.Results
	}
	if err := vm.CheckVmcore(dir, c.guest, max(1, len(Lanes[c.Lane]))); err != nil {
		return blame.Usagef("-vmcore: %w", err)
	}
	return nil
}

// checkGDB checks the flags of the user's debugger.
func (c *Command) checkGDB() error {
	if c.guest.GDB == "" {
		if c.patchStop {
			return blame.Usagef("-break-patch goes with -gdb")
		}
		return nil
	}
	if _, err := exec.LookPath("gdb"); err != nil {
		return fmt.Errorf("-gdb: %w; type \"make deps\"", err)
	}
	if c.guest.GDB != vm.AnySocket && len(Lanes[c.Lane]) > 1 {
		return blame.Usagef("-gdb=%s is a port for one guest; pass -lane real or -lane virtual, or -gdb alone for sockets", c.guest.GDB)
	}
	if err := vm.CheckGDB(c.guest.GDB); err != nil {
		return &blame.UsageError{Err: err}
	}
	if c.Accel == vm.Auto {
		c.Accel = vm.TCG // under KVM the guest's clock goes on while gdb has stopped it
	}
	return nil
}

// traceRE matches a function, a pattern for several, and an event of ftrace.
var traceRE = regexp.MustCompile(`^[A-Za-z_*?][A-Za-z0-9_.*?]*(:[A-Za-z0-9_*?]*)?$`)

// checkTrace checks what is to be recorded. Whether the kernel has it shows when it is built.
func (c *Command) checkTrace() error {
	for _, word := range c.trace {
		if !traceRE.MatchString(word) {
			return blame.Usagef("-trace %s is none of patch, a function such as copy_time_ns, and an event such as timer:hrtimer_start", word)
		}
	}
	return nil
}

// mostCPUs is how many CPUs QEMU can give its machine "pc" at most.
const mostCPUs = 255

// checkGuest completes and checks the flags that change the guest.
func (c *Command) checkGuest() error {
	c.guest.MemoryMB = int(c.memory)
	if c.set["smp"] && (c.guest.CPUs < 1 || c.guest.CPUs > mostCPUs) {
		return blame.Usagef("-smp %d: give a number from 1 to %d", c.guest.CPUs, mostCPUs)
	}
	for _, text := range c.guest.Append {
		if strings.ContainsAny(text, "\n\r") {
			return blame.Usagef("-append %q has a line break, and the kernel's command line is one line; pass -append twice", text)
		}
	}
	if err := c.checkShards(); err != nil {
		return err
	}
	if err := c.checkGDB(); err != nil {
		return err
	}
	if err := c.checkTrace(); err != nil {
		return err
	}
	switch {
	case c.record && c.Lane != wire.Virtual:
		return blame.Usagef("-record: only the lane virtual goes the same way again; pass -lane %s", wire.Virtual)
	case c.record && c.guest.GDB != "":
		return blame.Usagef("-record does not go with -gdb: a recording has nothing of a debugger; record first, and pass -gdb to \"vmtest debug -replay\"")
	}
	if err := c.checkVmcore(); err != nil {
		return err
	}
	if err := c.guest.Check(c.guestsBeside()); err != nil {
		return &blame.UsageError{Err: err}
	}
	if c.share == "" {
		return nil
	}
	switch info, err := os.Stat(c.share); {
	case errors.Is(err, fs.ErrNotExist):
		return blame.Usagef("-share %s: %s", c.share, nearest.NoSuchPath(c.share))
	case err != nil:
		return blame.Usagef("-share: %w", err)
	case !info.IsDir():
		return blame.Usagef("-share %s is no folder; share the folder that it is in: -share %s", c.share, filepath.Dir(c.share))
	}
	var err error
	c.share, err = filepath.Abs(c.share)
	return err
}
