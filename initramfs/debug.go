// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"timens-vmtest/internal/wire"
)

// failFunction is what a Go test calls to fail: t.Error, t.Fatal and t.FailNow all do.
const failFunction = "testing.(*common).Fail"

// debugFiles returns what an archive for debugging has beside what a run's has: the file
// wire.DebugPath. The programs of the shell are among the compiled ones.
func (s Spec) debugFiles() ([]cpio.Record, error) {
	d := *s.Debug
	if d.AtFail {
		var err error
		if d.Fail, err = s.failAddress(d.Test.Package); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return []cpio.Record{pagerLink(), cpio.StaticFile(strings.TrimPrefix(wire.DebugPath, "/"), string(text)+"\n", 0o644)}, nil
}

// pagerLink makes the pager's own name an alias.
func pagerLink() cpio.Record { return cpio.Symlink("bin/less", path.Base(pager)) }

// forShell reports whether a program is one of the shell's, and not of a run.
func (p program) forShell() bool {
	name := path.Base(p.guest)
	return path.Dir(p.guest) == "bin" && (name == path.Base(shell) ||
		slices.ContainsFunc(shellCommands, func(c string) bool { return path.Base(c) == name }))
}

// failAddress returns the address of failFunction in a test binary. The binaries have no
// symbols, but the table of functions that the Go runtime needs.
func (s Spec) failAddress(pkg string) (uint64, error) {
	i := slices.IndexFunc(s.suites(), func(t suite) bool { return t.name() == pkg })
	if i < 0 {
		return 0, fmt.Errorf("there is no test package %s", pkg)
	}
	return functionAddress(s.suites()[i].program(s.Scratch).host, failFunction)
}

// functionAddress returns the address of a function in a Go program.
func functionAddress(file, name string) (uint64, error) {
	f, err := elf.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close() // opened for reading only
	lines, text := f.Section(".gopclntab"), f.Section(".text")
	if lines == nil || text == nil {
		return 0, fmt.Errorf("%s is no Go program: it has no table of functions", filepath.Base(file))
	}
	table, err := lines.Data()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	symbols, err := gosym.NewTable(nil, gosym.NewLineTable(table, text.Addr))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	fn := symbols.LookupFunc(name)
	if fn == nil {
		return 0, errors.New(filepath.Base(file) + " has no function " + name)
	}
	return fn.Entry, nil
}
