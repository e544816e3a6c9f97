// SPDX-License-Identifier: BSD-3-Clause

package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The histories in testdata are as older versions wrote them, one folder for each schema.
// They are never written again: a history of a user cannot be made anew. The file states
// has what this program reads from them.
func TestRecorded(t *testing.T) {
	dirs, err := filepath.Glob("testdata/schema*")
	if err != nil || len(dirs) != Schema {
		t.Fatalf("%v, the recorded histories are %v, want one for each of %d schemas", err, dirs, Schema)
	}
	for _, dir := range dirs {
		h, err := Load(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		var got strings.Builder
		for _, n := range h.Nights {
			for _, s := range h.States(n.Name) {
				fmt.Fprintf(&got, "%s %s %s: %s, since %q, last good %q, news %v\n", n.Name, s.Cell, s.Test, s.Kind, s.Since, s.LastGood, s.News)
			}
		}
		want, err := os.ReadFile(filepath.Join(dir, "states"))
		if err != nil {
			t.Error(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", dir, got.String(), want)
		}
	}
}
