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
	args := InlineNS.Args(o)
	if got, want := args.Offsets, [2]uint64{1<<64 - 1, 2000000003}; got != want || args.Flags != unix.CLONE_NEWTIME|3<<38 {
		t.Errorf("%s: %d with flags %#x, want %d", InlineNS, got, args.Flags, want)
	}
	args = Namespaces.Args(o)
	if got, want := *(*Struct)(pointed(args.Offsets[0])), (Struct{Mask: 3, Monotonic: -1, Boottime: 2000000003}); got != want || args.Offsets[1] != 64 {
		t.Errorf("%s: %+v of %d bytes, want %+v of 64", Namespaces, got, args.Offsets[1], want)
	}
	if args.Flags != unix.CLONE_NEWTIME || args.ExitSignal != uint64(unix.SIGCHLD) {
		t.Errorf("flags %#x, exit signal %d", args.Flags, args.ExitSignal)
	}
}

// What a call with the offset of one clock means is that offset, and nothing of the other.
func TestSetOnly(t *testing.T) {
	o := timens.Offsets{Monotonic: -1, Boottime: 2000000003}
	want := map[clock.ID]Offset{clock.Monotonic: {-1, 999999999}, clock.Boottime: {2, 3}}
	for _, name := range []Name{TimensOffset, InlineNS, Namespaces} {
		for _, id := range timens.Clocks {
			args := name.Args(timens.Ahead)
			name.SetOnly(args, o, id)
			got := name.Meaning(args.Flags, args.Offsets, args.Held())
			if got.Error != 0 || !reflect.DeepEqual(got.Set, map[clock.ID]Offset{id: want[id]}) {
				t.Errorf("%s: %v alone means %+v", name, id, got)
			}
		}
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
