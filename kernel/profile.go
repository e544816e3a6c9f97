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

// Notes is where the compiler's notes on a profiled source are, below out as
// below a cache entry's folder "gcov".
func Notes(source string) string { return strings.TrimSuffix(source, ".c") + ".gcno" }

// Counters is the name of the file with the counters of a profiled source.
func Counters(source string) string { return strings.TrimSuffix(source, ".c") + ".gcda" }

// profilable lists the sources that a series touches and whose objects can
// count.
func (t Tree) profilable() []string {
	var sources []string
	for _, file := range t.Touched() {
		if t.over[file] != nil && patch.Profilable(file) {
			sources = append(sources, file)
		}
	}
	return sources
}

// profileArgs are make's arguments that have the objects of these sources
// compiled with counters. Makefile.lib asks for GCOV_PROFILE_<stem>.o in the
// folder that it is in, so that the answer has to look at the folder too.
// CPUs that count at once lose nothing (atomic). Functions are not inlined where they need not be: inlined, a "return" has no
// code of its own and could not be seen to run.
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

// keepNotes copies the compiler's notes of what was profiled into a cache
// entry, and says which sources those are: what the configuration leaves out
// has none.
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
