// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"slices"
	"strings"

	"timens-vmtest/kernel/patch"
)

// Countable reports whether the series touches a source that can be compiled with counters.
func (s Series) Countable() bool {
	return slices.ContainsFunc(s.Patches, func(p patch.Patch) bool { return slices.ContainsFunc(p.Touches(), patch.Profilable) })
}

// Sources returns the C files that the patches touch, each once, sorted.
func (s Series) Sources() []string {
	var all []string
	for _, p := range s.Patches {
		for _, path := range p.Touches() {
			if strings.HasSuffix(path, ".c") && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// UAPI returns the changes of all patches together in the headers for user space and in the
// tables of system calls.
func (s Series) UAPI() []patch.Change {
	var all []patch.Change
	for _, p := range s.Patches {
		for _, c := range p.Changes() {
			if !isUAPI(c.Path) {
				continue
			}
			i := slices.IndexFunc(all, func(known patch.Change) bool { return known.Path == c.Path })
			if i < 0 {
				all = append(all, c)
				continue
			}
			all[i].Added += c.Added
			all[i].Deleted += c.Deleted
		}
	}
	return all
}

func isUAPI(path string) bool {
	return patch.InKernel(path) && (strings.HasPrefix(path, "include/uapi/") || strings.Contains(path, "/include/uapi/") || strings.HasSuffix(path, ".tbl"))
}
