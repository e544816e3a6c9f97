// SPDX-License-Identifier: BSD-3-Clause

// Package layout tells the host how the tests lay out the arguments of
// clone3(), so that it can compare them with the kernel's debug information. A
// test that writes a member to another place than the kernel reads proves
// nothing.
package layout

import (
	"fmt"
	"reflect"

	"timens-vmtest/internal/wire"
	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
)

// Of returns the structures that the tests of a design fill in, under the
// kernel's names.
func Of(name string) []wire.Layout {
	args := structure("clone_args", clone.Args{}, clone.SizeVer2,
		"flags Flags", "pidfd Pidfd", "child_tid ChildTID", "parent_tid ParentTID", "exit_signal ExitSignal", "stack Stack",
		"stack_size StackSize", "tls TLS", "set_tid SetTID", "set_tid_size SetTIDSize", "cgroup Cgroup")
	grow := func(first, second string) {
		at := int64(field(clone.Args{}, "Offsets").Offset)
		args.Size = clone.SizeVer3
		args.Members = append(args.Members, wire.Member{Name: first, Offset: at, Size: 8}, wire.Member{Name: second, Offset: at + 8, Size: 8})
	}
	switch design.Name(name) {
	case design.TimensOffset:
		grow("timens_offset", "timens_offset_count")
		return []wire.Layout{args, structure("clone_timens_offset", design.Element{}, 24, "clockid Clock", "flags Flags", "sec Sec", "nsec Nsec")}
	case design.InlineNS:
		grow("monotonic_offset_ns", "boottime_offset_ns")
	case design.Namespaces:
		grow("namespaces", "namespaces_size")
		return []wire.Layout{args,
			structure("clone_namespaces", design.Struct{}, 64, "time.mask Mask", "time.monotonic_ns Monotonic", "time.boottime_ns Boottime", "time.reserved Reserved"),
			structure("clone_timens", design.Struct{}, 64, "mask Mask", "monotonic_ns Monotonic", "boottime_ns Boottime", "reserved Reserved")}
	}
	return []wire.Layout{args}
}

// structure returns the layout of a Go structure. Each pair is the kernel's
// name of a member and ours. size is the kernel's; ours may have more behind
// it.
func structure(name string, in any, size int64, pairs ...string) wire.Layout {
	l := wire.Layout{Name: name, Size: size}
	for _, pair := range pairs {
		var kernels, ours string
		if _, err := fmt.Sscan(pair, &kernels, &ours); err != nil {
			panic(pair) // a mistake in the pairs above
		}
		f := field(in, ours)
		m := wire.Member{Name: kernels, Offset: int64(f.Offset), Size: int64(f.Type.Size())}
		if f.Type.Kind() == reflect.Pointer {
			m.Size = 8 // a pointer, which a 32-bit program pads to 64 bits
		}
		l.Members = append(l.Members, m)
	}
	return l
}

// field returns a field that must exist.
func field(in any, name string) reflect.StructField {
	f, ok := reflect.TypeOf(in).FieldByName(name)
	if !ok {
		panic(fmt.Sprintf("%T has no %s", in, name))
	}
	return f
}
