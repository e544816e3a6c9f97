// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/kernel/kbuild"
)

// fakeCcache keeps objects by the text of their source, and counts what it finds.
const fakeCcache = `[ "$1" = --version ] && { echo ccache version 0; exit; }
compiler=$*
while [ $# -gt 1 ]; do [ "$1" = -o ] && object=$2; shift; done
kept=$CCACHE_DIR/$(sha256sum <"$1" | cut -c1-64)
if [ -e "$kept" ]; then
	echo hit >>"$CCACHE_DIR/stats"
	exec cp "$kept" "$object"
fi
$compiler && cp "$object" "$kept" && echo miss >>"$CCACHE_DIR/stats"
`

// ccache finds an object that an earlier make has compiled. It keeps those of a series from elsewhere
// apart: such a series finds none of the user's, and the user's builds find none of the series'.
func TestBuildWithCcache(t *testing.T) {
	w, bin := compilerWorld(t), t.TempDir()
	program(t, filepath.Join(bin, "ccache"), fakeCcache)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	own := filepath.Join(w.Cache.Dir, "ccache", "own")
	stats := func(dir string) string {
		text, err := os.ReadFile(filepath.Join(dir, "stats"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(text)), " ")
	}
	vars := kbuild.MakeVars{"CC=ccache gcc"}
	first := w.with(vars, "")
	w.with(vars, "", returning(t, 1))
	if err := first.Forget(); err != nil {
		t.Fatal(err)
	}
	if again := w.with(vars, ""); again.Cached || again.BuildID != first.BuildID {
		t.Errorf("with its object from ccache the kernel is %s (cached %t), want %s", again.BuildID, again.Cached, first.BuildID)
	}
	if got := stats(own); got != "miss miss hit" {
		t.Errorf("ccache says %q of three builds, want a hit for the last", got)
	}

	w.with(vars, "somebody", returning(t, 2))
	w.with(vars, "", returning(t, 2))
	if got := stats(own); got != "miss miss hit miss" {
		t.Errorf("after a series from elsewhere ccache says %q of the user's own, want a miss for each of its own builds alone", got)
	}
	works, err := filepath.Glob(filepath.Join(w.Cache.Dir, "work", "*", "ccache"))
	if err != nil || len(works) != 1 {
		t.Fatalf("the folders of ccache in work folders are %q, %v, want one", works, err)
	}
	if got := stats(works[0]); got != "miss" {
		t.Errorf("ccache says %q of the series from elsewhere, want a miss", got)
	}
	all, err := w.Cache.Entries()
	if err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, e := range all {
		if e.Kind == cache.Ccache && e.Bytes > 0 && e.What != "" {
			entries++
		}
	}
	if entries != 1 {
		t.Errorf("the cache has the entries %+v, want one of ccache", all)
	}
}

// Without -make CC= there is no folder of ccache.
func TestBuildWithoutCcache(t *testing.T) {
	w := compilerWorld(t)
	w.with(kbuild.MakeVars{"CC=gcc"}, "")
	if _, err := os.Stat(filepath.Join(w.Cache.Dir, "ccache")); !os.IsNotExist(err) {
		t.Errorf("the folder of ccache: %v, want none", err)
	}
}
