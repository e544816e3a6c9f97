// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

// Notes returns the path of the compiler's notes (.gcno) on a profiled source. The path
// is relative to the output folder of the build, and to the folder "gcov" next to
// Image.Vmlinux.
func Notes(source string) string { return strings.TrimSuffix(source, ".c") + ".gcno" }

// Counters returns the path of the file with the counters (.gcda) of a profiled source,
// relative to the output folder of the build.
func Counters(source string) string { return strings.TrimSuffix(source, ".c") + ".gcda" }

// profilable returns the source files that the series changes or adds, as far as they can
// be compiled with counters.
func (t Tree) profilable() []string {
	var sources []string
	for _, file := range t.Touched() {
		if t.over[file] != nil && patch.Profilable(file) {
			sources = append(sources, file)
		}
	}
	return sources
}

// profileArgs returns arguments of make with which these sources are compiled with
// counters. In each folder Makefile.lib reads the variable GCOV_PROFILE_<stem>.o, so the
// value has to depend on the folder: other folders may have a file of that name. The
// counters are atomic, so that no count is lost when several CPUs count at once. With
// -fno-inline a "return" has code of its own, and its count shows that it ran.
func profileArgs(sources []string) []string {
	folders := make(map[string][]string)
	for _, source := range sources {
		stem := strings.TrimSuffix(path.Base(source), ".c")
		folders[stem] = append(folders[stem], path.Dir(source))
	}
	var args []string
	for _, stem := range slices.Sorted(maps.Keys(folders)) {
		args = append(args, fmt.Sprintf("GCOV_PROFILE_%s.o=$(if $(filter %s,$(obj)),y)", stem, strings.Join(folders[stem], " ")))
	}
	if args != nil {
		args = append(args, "CFLAGS_GCOV=-fprofile-arcs -ftest-coverage -fprofile-update=atomic -fno-tree-loop-im -fno-inline")
	}
	return args
}

// keepNotes copies the compiler's notes on the profiled sources into a cache entry. It
// returns the SHA-256 of the notes by source. A source that the configuration does not
// build has no notes and is left out.
func (b *build) keepNotes(entry string) (map[string]string, error) {
	kept := make(map[string]string)
	for _, source := range b.profiled {
		to := filepath.Join(entry, "gcov", Notes(source))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		err := sandbox.CopyMade(b.out(), Notes(source), to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if kept[source], err = cache.HashFile(to); err != nil {
			return nil, err
		}
	}
	return kept, nil
}
