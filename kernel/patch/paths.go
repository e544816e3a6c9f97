// SPDX-License-Identifier: BSD-3-Clause

package patch

import (
	"regexp"
	"slices"
	"strings"
)

// VDSO says that what a file holds runs in user space, where the kernel's
// counters cannot be reached.
func VDSO(path string) bool {
	return vdsoRE.MatchString(path) && !vdsoInKernel.MatchString(path)
}

var (
	vdsoRE       = regexp.MustCompile(`^(lib|include)/vdso/|^arch/[^/]+/(entry|kernel)/vdso(32|64)?/|^arch/[^/]+/include/asm/vdso/`)
	vdsoInKernel = regexp.MustCompile(`/(vma|extable)\.c$`) // it maps the vDSO
)

// InKernel says that a file can become a part of the kernel itself: it is no
// tool, no documentation and no sample.
func InKernel(path string) bool {
	top, _, _ := strings.Cut(path, "/")
	return !slices.Contains([]string{"Documentation", "LICENSES", "samples", "scripts", "tools", "usr", "rust"}, top)
}

func Profilable(file string) bool {
	return strings.HasSuffix(file, ".c") && InKernel(file) && !VDSO(file)
}

// Countable says that a series touches a source whose lines can be counted.
func (s Series) Countable() bool {
	return slices.ContainsFunc(s.Patches, func(p Patch) bool { return slices.ContainsFunc(p.Touches(), Profilable) })
}

// Sources lists the C files that the patches touch, each once, sorted.
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

// UAPI is what the series changes in the headers that user space is given and in
// the tables of system calls, all patches together.
func (s Series) UAPI() []Change {
	var all []Change
	for _, p := range s.Patches {
		for _, c := range p.Changes() {
			if !isUAPI(c.Path) {
				continue
			}
			i := slices.IndexFunc(all, func(known Change) bool { return known.Path == c.Path })
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
	return InKernel(path) && (strings.HasPrefix(path, "include/uapi/") || strings.Contains(path, "/include/uapi/") || strings.HasSuffix(path, ".tbl"))
}
