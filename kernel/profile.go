// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"io/fs"
	"os"
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

// sources returns the C files of the kernel that the series changes or adds.
func (t Tree) sources() []string {
	return slices.DeleteFunc(t.Touched(), func(file string) bool {
		return t.over[file] == nil || !strings.HasSuffix(file, ".c") || !patch.InKernel(file)
	})
}

// profilable returns those of the sources that can be compiled with counters.
func (t Tree) profilable() []string {
	return slices.DeleteFunc(t.sources(), func(file string) bool { return !patch.Profilable(file) })
}

// counting returns the sources whose objects are to count.
func (s Spec) counting() []string {
	var sources []string
	if s.Coverage {
		sources = s.Tree.profilable()
	}
	for _, source := range s.Profile {
		if s.Tree.Has(source) && !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	return sources
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
		err := sandbox.CopyMade(b.Out(), Notes(source), to)
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
