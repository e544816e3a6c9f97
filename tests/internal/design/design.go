// SPDX-License-Identifier: BSD-3-Clause

// Package design knows the three ways in which clone3() may take the offsets of
// a new time namespace. A test states the offsets that it wants, and the
// encoder of the kernel's design stores them in struct clone_args.
package design

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/timens"
)

// Name is the name of a design, and of the series that adds it to the kernel.
type Name string

const (
	// TimensOffset is a pointer to an array of clocks and their offsets.
	TimensOffset Name = wire.TimensOffset
	// InlineNS is two numbers of nanoseconds in struct clone_args itself, and a
	// flag for each that says that it is given.
	InlineNS Name = wire.InlineNS
	// Namespaces is a pointer to an extensible structure with both offsets.
	Namespaces Name = wire.Namespaces
	// None is the design of a kernel without a series: it refuses all
	// offsets.
	None Name = wire.NoDesign
)

// Planned returns the design that the kernel must have. On a developer's own
// machine, where nothing was planned, it is the design that the running kernel
// has.
func Planned() (Name, error) {
	switch name := Name(os.Getenv(wire.DesignEnv)); name {
	case TimensOffset, InlineNS, Namespaces, None:
		return name, nil
	case "":
		if inGuest() {
			return "", fmt.Errorf("the guest's init has not set %s", wire.DesignEnv)
		}
		return Ask()
	default:
		return "", fmt.Errorf("%s=%s is no design", wire.DesignEnv, name)
	}
}

// CloneFlags returns the flags of clone3() above the lower 32 bits that the headers of the
// kernel define. On a developer's own machine, where nothing was planned, it returns those
// of Linux 6.12.
func CloneFlags() (uint64, error) {
	text := os.Getenv(wire.CloneFlagsEnv)
	if text == "" && !inGuest() {
		return unix.CLONE_CLEAR_SIGHAND | unix.CLONE_INTO_CGROUP, nil
	}
	flags, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s=%s: %w", wire.CloneFlagsEnv, text, err)
	}
	return flags, nil
}

// inGuest reports whether this is the binary that the guest's init runs, which
// is below wire.TestDir.
func inGuest() bool {
	exe, err := os.Executable()
	return err == nil && strings.HasPrefix(exe, wire.TestDir+"/")
}

// Ask finds out which design the running kernel has. It makes one clone3() call
// that every design refuses, each with a different error. timens-offset takes
// the two words of Offsets for an array of one element at an address that no
// process has. inline-ns takes the first word for the smallest number, which is
// out of range; the others look at its flags later. namespaces takes the words for
// a structure of one byte.
func Ask() (Name, error) {
	p, err := clone.NewProgram()
	if err != nil {
		return "", err
	}
	defer p.Close()
	args := NewTime()
	args.Flags |= inlineFlags
	args.Offsets = [2]uint64{1 << 63, 1}
	child, err := clone.Start(args, clone.SizeVer3, p)
	switch {
	case err == nil:
		_, err := child.Wait(timens.Patience)
		return "", errors.Join(errors.New("clone3() with offsets that are wrong by every design made a child"), err)
	case err == unix.EFAULT:
		return TimensOffset, nil
	case err == unix.ERANGE:
		return InlineNS, nil
	case err == unix.EINVAL:
		return Namespaces, nil
	case err == unix.E2BIG:
		return None, nil
	}
	return "", fmt.Errorf("clone3() with offsets that are wrong by every design: %w, which no design returns", err)
}

// Need returns the design to be tested. It skips the test on a developer's own
// kernel that has no design, where a failure would show nothing. In a guest it
// never skips: there the kernel is what is tested.
func Need(t testing.TB) Name {
	t.Helper()
	timens.Need(t)
	name, err := Planned()
	if err != nil {
		t.Fatal(err)
	}
	if name == None && !inGuest() {
		t.Skip("this kernel's clone3() takes no offsets; `make vmtest` runs this test on a kernel that takes them")
	}
	return name
}

// NeedOnly is Need for the tests of a single design.
func NeedOnly(t testing.TB, only Name) {
	t.Helper()
	if has := Need(t); has != only && !inGuest() {
		t.Skipf("this kernel's clone3() has the design %s; `make vmtest SERIES=%s` runs this test on a kernel of its design", has, only)
	}
}

// NeedTimeless is NeedOnly for the tests of a kernel without CONFIG_TIME_NS. They have the line
// "//vmtest:config # CONFIG_TIME_NS is not set", so that they are planned for no other kernel.
func NeedTimeless(t testing.TB, only Name) {
	t.Helper()
	if !inGuest() {
		t.Skipf("`make vmtest SERIES=%s RUN=%s ARGS='-config kconfig/no-timens.config'` runs this test on a kernel without time namespaces", only, t.Name())
	}
	if _, err := os.Stat("/proc/self/ns/time"); !os.IsNotExist(err) {
		t.Fatalf("the kernel has time namespaces: %v", err)
	}
}

// NewTime returns the arguments of a child in a new time namespace that
// inherits its offsets.
func NewTime() *clone.Args {
	return &clone.Args{Flags: unix.CLONE_NEWTIME, ExitSignal: uint64(unix.SIGCHLD)}
}

// Args is NewTime with offsets for both clocks.
func (n Name) Args(o timens.Offsets) *clone.Args {
	args := NewTime()
	n.Set(args, o)
	return args
}

// Set stores offsets for both clocks in args and replaces those that it has.
func (n Name) Set(args *clone.Args, o timens.Offsets) { n.SetOnly(args, o, timens.Clocks...) }

// SetOnly is Set for some of the clocks. The others inherit their offsets.
func (n Name) SetOnly(args *clone.Args, o timens.Offsets, ids ...clock.ID) {
	switch n {
	case InlineNS:
		flags, words := Inline(o, ids...)
		args.Flags = args.Flags&^inlineFlags | flags
		args.Offsets = words
	case Namespaces:
		s := NewStruct(o, ids...)
		args.Hold(clone.Bytes(s), uint64(unsafe.Sizeof(s)))
	default: // a kernel without a design refuses these and all other offsets
		list := Elements(o, ids...)
		args.Hold(clone.Bytes(list...), uint64(len(list)))
	}
}
