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

// Profilable says that the lines of a file that run can be counted: it is C code of the
// kernel itself.
func Profilable(file string) bool {
	return strings.HasSuffix(file, ".c") && InKernel(file) && !VDSO(file)
}
