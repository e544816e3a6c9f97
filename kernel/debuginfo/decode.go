// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
)

// location matches an address of code as the kernel prints it: the function, the offset in
// it and the length of the function.
var location = regexp.MustCompile(`([\w.]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)`)

// HasLocations reports whether a console log has an address that Decode could decode.
func HasLocations(console []byte) bool { return location.Match(console) }

// Decode returns a console log with the source line behind each address of the image. If
// the code was inlined, it adds the lines of all callers, the innermost function first.
// The number of lines does not change. An address of another kernel stays as it is. If
// the file with the debug information is damaged, the error says what to remove.
func Decode(ctx context.Context, box sandbox.Box, image kernel.Image, console []byte) ([]byte, error) {
	if got, err := cache.HashFile(image.Debug()); err != nil {
		return nil, err
	} else if got != image.DebugSHA256 {
		return nil, fmt.Errorf("%s is damaged; remove %s to have it built again", image.Debug(), filepath.Dir(image.Debug()))
	}
	symbols, err := functions(image.Debug())
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(console, []byte("\n"))
	var addresses []uint64
	for _, line := range lines {
		for _, m := range location.FindAllSubmatch(line, -1) {
			if addr, ok := symbols.address(line, m); ok && !slices.Contains(addresses, addr) {
				addresses = append(addresses, addr)
			}
		}
	}
	sources, err := sourceLines(ctx, box, image.Debug(), addresses)
	if err != nil {
		return nil, err
	}
	for i, line := range lines {
		lines[i] = location.ReplaceAllFunc(line, func(text []byte) []byte {
			addr, ok := symbols.address(line, location.FindSubmatch(text))
			if !ok || sources[addr] == "" {
				return text
			}
			return fmt.Appendf(nil, "%s (%s)", text, sources[addr])
		})
	}
	return bytes.Join(lines, nil), nil
}

// symbolTable holds functions by name. Several static functions may have the same name.
type symbolTable map[string][]elf.Symbol

func functions(vmlinux string) (symbolTable, error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	t := make(symbolTable)
	for _, s := range all {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			t[s.Name] = append(t[s.Name], s)
		}
	}
	return t, nil
}

// address returns the address for a match of location in a line. The number after "RIP: "
// is the instruction pointer. All others are return addresses, and the call is the
// instruction before: so address returns one byte less.
func (t symbolTable) address(line []byte, m [][]byte) (uint64, bool) {
	offset, err1 := strconv.ParseUint(string(m[2]), 16, 64)
	size, err2 := strconv.ParseUint(string(m[3]), 16, 64)
	if err1 != nil || err2 != nil || offset > size {
		return 0, false
	}
	if !bytes.Contains(line, []byte("RIP: ")) && offset > 0 {
		offset--
	}
	var found []uint64
	for _, s := range t[string(m[1])] {
		// The kernel prints the distance to the next symbol as the length. It may
		// include padding, which is less than one alignment of functions.
		if s.Size <= size && size < s.Size+64 {
			found = append(found, s.Value+offset)
		}
	}
	if len(found) != 1 {
		return 0, false // no function has that name, or several have it
	}
	return found[0], true
}

// sourceLines returns the source lines of addresses. It runs addr2line once for all of
// them. An address without a source line is left out.
func sourceLines(ctx context.Context, box sandbox.Box, vmlinux string, addresses []uint64) (map[uint64]string, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	dir := filepath.Dir(vmlinux)
	cmd, release, err := box.Command(ctx, sandbox.Place{Dir: dir, Readable: []string{dir}}, "addr2line", "-a", "-i", "-e", vmlinux)
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&in, "%#x\n", a)
	}
	cmd.Stdin = strings.NewReader(in.String())
	out, err := sandbox.RunConfined(cmd)
	if err := errors.Join(err, release()); err != nil {
		return nil, err
	}
	all := make(map[uint64]string)
	var at uint64
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "0x") {
			if at, err = strconv.ParseUint(line, 0, 64); err != nil {
				return nil, fmt.Errorf("addr2line printed %q", line)
			}
			continue
		}
		line, _, _ = strings.Cut(line, " (discriminator")
		if strings.HasPrefix(line, "?") {
			continue
		}
		line = filepath.Clean(line)
		if all[at] != "" {
			line = all[at] + ", inlined at " + line
		}
		all[at] = line
	}
	return all, nil
}
