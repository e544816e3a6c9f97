// SPDX-License-Identifier: BSD-3-Clause

// Package debuginfo reads the debug information of a kernel: how structures lie in memory,
// and which source lines addresses belong to.
package debuginfo

import (
	"context"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/store"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
)

// ABI returns how structures lie in memory in a kernel. For x86_64 it reads the debug
// information of the image. For i386 it compiles the headers of the tree; see HeaderABI.
// Structures that the kernel does not have are left out, but it is an error if the kernel
// has none of them. The field Tests of the result is not set. If the debug information is in a
// store and cannot be had, the error is a NoDebugError.
func ABI(ctx context.Context, h host.Host, i kernel.Image, t kernel.Tree, structs []string) (wire.ABI, error) {
	header, err := t.Read(kernel.CloneHeader)
	if err != nil {
		return wire.ABI{}, fmt.Errorf("the structures of clone3(): %w", err)
	}
	key := "abi 2 " + cache.Digest(i.DebugSHA256, string(header), strings.Join(structs, " "))
	const what = "how this kernel has the structures of clone3()"
	return host.Answer(ctx, h, key, func() (abi wire.ABI, err error) {
		shared := store.Key("abi", key)
		if h.Store.Recall(ctx, h.Report.Step, shared, what, &abi) {
			return abi, nil
		}
		if err := i.FetchDebug(ctx, h); err != nil {
			return abi, &NoDebugError{err}
		}
		if abi.X86_64, err = layouts(i.Debug(), readers, structs); err != nil {
			return abi, err
		}
		if len(abi.X86_64) == 0 {
			return abi, fmt.Errorf("%s has no debug information of struct %s", i.Debug(), structs[0])
		}
		if abi.I386, err = HeaderABI(ctx, h.Sandbox, t, structs); err == nil && i.Shared() {
			h.Store.Keep(ctx, h.Report.Step, shared, what, abi)
		}
		return abi, err
	})
}

// NoDebugError is the error that a kernel has no debug information here.
type NoDebugError struct{ Err error }

// Error returns the message of Err.
func (e *NoDebugError) Error() string { return "the debug information of the kernel: " + e.Err.Error() }

// Unwrap returns Err.
func (e *NoDebugError) Unwrap() error { return e.Err }

// HeaderABI returns how structures lie in memory for a 32-bit program, as the headers of
// the tree for user space say. Structures that the headers do not have are left out. If
// the headers do not compile, the error is a blame.BuildError.
//
// No kernel is built. HeaderABI needs only the compiler: no C library, and nothing is
// linked or run.
func HeaderABI(ctx context.Context, box sandbox.Box, t kernel.Tree, structs []string) ([]wire.Layout, error) {
	dir, err := os.MkdirTemp("", "vmtest-abi-")
	if err != nil {
		return nil, err
	}
	defer cache.RemoveAll(dir)
	include, err := t.UapiIncludes(dir)
	if err != nil {
		return nil, err
	}
	// asm/types.h is generated and usually comes with the C library. Without the
	// variable an empty header would leave no debug information.
	for name, text := range map[string]string{"abi.c": "#include <linux/sched.h>\nint none;\n", "stub/asm/types.h": "#include <asm-generic/types.h>\n"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return nil, err
		}
	}
	args := append([]string{"-m32", "-g", "-fno-eliminate-unused-debug-types", "-ffreestanding", "-nostdinc", "-Wno-cpp"}, include...)
	out, err := box.Output(ctx, sandbox.Place{Dir: dir, Readable: []string{t.Base.Dir}, Writable: []string{dir}}, "gcc", append(args, "-c", "abi.c")...)
	if err != nil {
		if fault := sandbox.HostFault(ctx, "build", err, out, dir); fault != nil {
			return nil, fault
		}
		return nil, &blame.BuildError{Stage: "build", Err: fmt.Errorf("%s for i386: %w", kernel.CloneHeader, err), Shown: kbuild.FirstError(out, filepath.Join(dir, "patched"), t.Base.Dir)}
	}
	return layouts(filepath.Join(dir, "abi.o"), []string{"abi.c"}, structs)
}

// readers are the files of the kernel that read the arguments of clone3(): kernel/fork.c and
// kernel/time/namespace.c.
var readers = []string{"fork.c", "namespace.c"}

// layouts reads structures from the debug information of an ELF file. It reads only the
// compilation units whose files have these names. A structure that is only declared there
// is left out.
func layouts(path string, units, structs []string) ([]wire.Layout, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("debug information of %s: %w", path, err)
	}
	found := make(map[string]wire.Layout)
	r := info.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("debug information of %s: %w", path, err)
		}
		if e == nil {
			break
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		if e.Tag == dwarf.TagCompileUnit && slices.Contains(units, filepath.Base(name)) {
			continue // to the entries of the unit
		}
		if _, ok := e.Val(dwarf.AttrByteSize).(int64); ok && e.Tag == dwarf.TagStructType && slices.Contains(structs, name) {
			t, err := info.Type(e.Offset)
			if err != nil {
				return nil, fmt.Errorf("debug information of %s: %w", path, err)
			}
			found[name] = wire.Layout{Name: name, Size: t.Size(), Members: members("", 0, t)}
		}
		if e.Children {
			r.SkipChildren()
		}
	}
	var all []wire.Layout
	for _, name := range structs {
		if l, ok := found[name]; ok {
			all = append(all, l)
		}
	}
	return all, nil
}

// members returns the members of a structure. A member that is itself a structure is
// replaced by its members.
func members(prefix string, at int64, t dwarf.Type) []wire.Member {
	var all []wire.Member
	for _, f := range t.(*dwarf.StructType).Field {
		if inner, ok := f.Type.(*dwarf.StructType); ok {
			all = append(all, members(prefix+f.Name+".", at+f.ByteOffset, inner)...)
			continue
		}
		all = append(all, wire.Member{Name: prefix + f.Name, Offset: at + f.ByteOffset, Size: f.Type.Size()})
	}
	return all
}
