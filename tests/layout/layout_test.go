// SPDX-License-Identifier: BSD-3-Clause

package layout

import (
	"testing"

	"timens-vmtest/internal/wire"
)

// The members of each structure cover it without gaps, so none is missing.
func TestOf(t *testing.T) {
	for of, structs := range map[string]int{"timens-offset": 2, "inline-ns": 1, "namespaces": 3, wire.NoDesign: 1} {
		all := Of(of)
		if len(all) != structs || all[0].Name != "clone_args" {
			t.Errorf("%s: got %d structures, want %d", of, len(all), structs)
		}
		for _, l := range all {
			at := int64(0)
			for _, m := range l.Members {
				if m.Offset != at {
					t.Errorf("%s: struct %s has %s at %d, want %d", of, l.Name, m.Name, m.Offset, at)
				}
				at += m.Size
			}
			if at != l.Size {
				t.Errorf("%s: the members of struct %s end at %d, the structure at %d", of, l.Name, at, l.Size)
			}
		}
	}
}
