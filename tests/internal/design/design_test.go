// SPDX-License-Identifier: BSD-3-Clause

package design

import (
	"reflect"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
	"timens-vmtest/tests/internal/clock"
	"timens-vmtest/tests/internal/timens"
)

func TestArgs(t *testing.T) {
	o := timens.Offsets{Monotonic: -1, Boottime: 2000000003}
	list := []Element{{Clock: int32(clock.Monotonic), Sec: -1, Nsec: 999999999}, {Clock: int32(clock.Boottime), Sec: 2, Nsec: 3}}
	for _, name := range []Name{TimensOffset, None} {
		args := name.Args(o)
		got := unsafe.Slice((*Element)(pointed(args.Offsets[0])), 2)
		if !reflect.DeepEqual(got, list) || args.Offsets[1] != 2 {
			t.Errorf("%s: %+v, %d", name, got, args.Offsets[1])
		}
	}
	if got, want := InlineNS.Args(o).Offsets, [2]uint64{1<<64 - 1, 2000000003}; got != want {
		t.Errorf("%s: %d, want %d", InlineNS, got, want)
	}
	args := Namespaces.Args(o)
	if got, want := *(*Struct)(pointed(args.Offsets[0])), (Struct{-1, 2000000003}); got != want || args.Offsets[1] != 16 {
		t.Errorf("%s: %+v of %d bytes, want %+v of 16", Namespaces, got, args.Offsets[1], want)
	}
	if args.Flags != unix.CLONE_NEWTIME || args.ExitSignal != uint64(unix.SIGCHLD) {
		t.Errorf("flags %#x, exit signal %d", args.Flags, args.ExitSignal)
	}
}

// pointed follows an address as the kernel does.
func pointed(addr uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

func TestPlanned(t *testing.T) {
	for _, name := range []Name{TimensOffset, InlineNS, Namespaces, None} {
		t.Setenv(wire.DesignEnv, string(name))
		if got, err := Planned(); got != name || err != nil {
			t.Errorf("%s=%s: %q, %v", wire.DesignEnv, name, got, err)
		}
	}
	t.Setenv(wire.DesignEnv, "inline")
	if got, err := Planned(); err == nil {
		t.Errorf("%s=inline: %q", wire.DesignEnv, got)
	}
}
