// SPDX-License-Identifier: BSD-3-Clause

package shell

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A shell reads back the same words, whatever characters they have.
func TestQuoteIsReadBack(t *testing.T) {
	words := []string{"plain", "", "a b", "it's", `"$HOME"`, "~", "*", "a;b", "ä:c,d", "-x=1", "new\nline", `back\slash`, "#no", "!", "{a,b}", "$(id)", "`id`"}
	out, err := exec.Command("sh", "-c", "printf '%s\\0' "+Quote(words...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, words) {
		t.Errorf("%s\ngot  %q\nwant %q", Quote(words...), got, words)
	}
	if got := Quote("vmtest", "-tree", "/a/b", "-range", "v6.12..HEAD"); got != "vmtest -tree /a/b -range v6.12..HEAD" {
		t.Errorf("a command that needs no quotes is %s", got)
	}
}
