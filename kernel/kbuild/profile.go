// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// ProfileArgs returns arguments of make with which these sources are compiled with
// counters. In each folder Makefile.lib reads the variable GCOV_PROFILE_<stem>.o, so the
// value has to depend on the folder: other folders may have a file of that name. The
// counters are atomic, so that no count is lost when several CPUs count at once. With
// -fno-inline a "return" has code of its own, and its count shows that it ran.
func ProfileArgs(sources []string) []string {
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
