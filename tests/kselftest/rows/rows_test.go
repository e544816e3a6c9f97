// SPDX-License-Identifier: BSD-3-Clause

// Package rows runs the selftests of the series on an unpatched kernel, row by row. It runs on the host.
package rows

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/selftests"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/tests/internal/ktap"
)

var (
	bootSelftests = flag.Bool("boot-selftests", false, "boot an unpatched kernel for the selftests of the series, by bin/vmtest")
	baseName      = flag.String("base", source.DefaultRelease, "name of the base")
)

func TestMain(m *testing.M) { hosttest.Main(m) }

// programOf is the selftest that the series of each design adds.
var programOf = map[string]string{"timens-offset": "clone3_timens_offset", "inline-ns": "clone3_timens_offset_ns", "namespaces": "clone3_namespaces"}

// shipped is how the selftests are sent, and unguarded how they are without the question whether the
// kernel takes offsets at all. That question lets rows be skipped which an unpatched kernel could pass.
const (
	shipped   = "shipped"
	unguarded = "unguarded"
)

// guard is the line of each selftest that asks this, and its replacement.
var guard = [2]string{"return clone_offsets(0, &offsets) != -E2BIG;", "return clone_offsets(0, &offsets) != 4711;"}

// exception is a row that passes on an unpatched kernel.
type exception struct {
	design  string // "": any
	version string // "": both
	row     string
	reason  string
}

const (
	noOffsets = "it gives no offsets: the series must not change what that does"
	unknown   = "it gives what a kernel with the series does not know, and an unpatched kernel knows nothing: both say E2BIG"
)

// exceptions are all of them. Any other row is skipped as shipped, because clone3() takes no offsets, and
// fails without the guard.
var exceptions = []exception{
	{row: "global.vdso_is_used", reason: "it is about the C library and the vDSO"},
	{row: "global.members_beyond_the_size_are_ignored", reason: "an old kernel ignores them, too: the series must not change that"},
	{version: unguarded, row: "offsets.none.fork", reason: noOffsets},
	{version: unguarded, row: "offsets.none.exec", reason: noOffsets},
	{version: unguarded, row: "offsets.none.nested", reason: noOffsets},
	{"timens-offset", unguarded, "refused.too_many.error", unknown},
	{"timens-offset", unguarded, "refused.too_many_without_newtime.error", unknown},
	{"timens-offset", unguarded, "refused.unknown_clock.error", unknown},
	{"timens-offset", unguarded, "refused.unknown_clock_without_newtime.error", unknown},
	{"timens-offset", unguarded, "refused.negative_clock.error", unknown},
	{"timens-offset", unguarded, "refused.unknown_flag.error", unknown},
	{"inline-ns", unguarded, "refused.zero_without_newtime.error", "the offsets are 0, so an unpatched kernel sees the flags alone, and says EINVAL as well"},
	{"namespaces", unguarded, "refused.unknown_part.error", unknown},
	{"namespaces", unguarded, "refused.unknown_part_without_newtime.error", unknown},
	{"namespaces", unguarded, "refused.unknown_part_alone.error", unknown},
	{"namespaces", unguarded, "refused.unknown_bit.error", unknown},
	{"namespaces", unguarded, "refused.unknown_bit_without_newtime.error", unknown},
	{"namespaces", unguarded, "refused.last_bit.error", unknown},
	{"namespaces", unguarded, "refused.first_reserved_word.error", unknown},
	{"namespaces", unguarded, "refused.last_reserved_word.error", unknown},
	{"namespaces", unguarded, "refused.reserved_word_without_newtime.error", unknown},
}

// On an unpatched kernel no row of the selftests of a series passes, unless it is listed with a reason. As
// they are shipped, the rows say that clone3() takes no offsets. When they do not ask that, they fail.
func TestSelftestsFailUnpatched(t *testing.T) {
	if !*bootSelftests {
		t.Skip("it boots a kernel; type \"make selftest-test\"")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	share := t.TempDir()
	for _, design := range wire.Designs {
		for name, path := range buildSelftests(t, root, design) {
			if err := copyProgram(path, filepath.Join(share, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	script := `for p in /share/*; do echo "=== $p"; $p; echo "=== exit $?"; done`
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "vmtest"), "shell", "-base", *baseName, "-series", "control", "-share", share, "--", "sh", "-c", script)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &said, &out)
	}
	found := 0
	for part := range strings.SplitSeq(out.String(), "=== /share/") {
		name, text, ok := strings.Cut(part, "\n")
		if !ok || part == out.String() {
			continue
		}
		found++
		t.Run(name, func(t *testing.T) { judgeRows(t, name, text) })
	}
	if want := len(wire.Designs) * 4; found != want {
		t.Errorf("%d programs ran, want %d:\n%s%s", found, want, &said, &out)
	}
}

// judgeRows holds the rows of a program to what an unpatched kernel may say. Its name is
// "design,version,arch".
func judgeRows(t *testing.T, name, text string) {
	t.Helper()
	rows, err := ktap.Parse(text)
	words := strings.Split(name, ",")
	if err != nil || len(words) != 3 {
		t.Fatalf("%v\n%s", err, text)
	}
	left := make(map[string]exception)
	for _, e := range exceptions {
		if (e.design == "" || e.design == words[0]) && (e.version == "" || e.version == words[1]) {
			left[e.row] = e
		}
	}
	for _, row := range rows {
		e, listed := left[row.Name]
		delete(left, row.Name)
		switch passed := row.OK && row.Skip == ""; {
		case listed && !passed:
			t.Errorf("%s: %+v, and it is listed: %+v", row.Name, row, e)
		case listed:
		case passed:
			t.Errorf("%s passes on an unpatched kernel, so it tests nothing of the series", row.Name)
		case words[1] == shipped && (!row.OK || row.Skip != "clone3() takes no offsets"):
			t.Errorf("%s is not skipped with the reason: %+v", row.Name, row)
		case words[1] == unguarded && row.OK:
			t.Errorf("%s is skipped, and shows nothing: %s", row.Name, row.Skip)
		}
	}
	for row := range left {
		t.Errorf("%s is listed, and there is no such row", row)
	}
	if t.Failed() {
		t.Logf("%s", text)
	} else {
		t.Logf("%d rows", len(rows))
	}
}

// buildSelftests builds the selftest of a series, shipped and unguarded, for 64 and for 32 bits. It
// returns the paths of the programs by "design,version,arch".
func buildSelftests(t *testing.T, root, design string) map[string]string {
	t.Helper()
	kept, err := cache.DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	h := host.Host{Cache: kept, Report: new(hosttest.Steps)}
	spec, err := source.Named(*baseName)
	if err != nil {
		t.Fatal(err)
	}
	base, err := spec.Fetch(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	s, err := series.Load(t.Context(), h.Sandbox, filepath.Join(root, "kernel", "patches"), design)
	if err != nil {
		t.Fatal(err)
	}
	s, _, fits, err := kernel.Choose(t.Context(), h, base, s)
	if err != nil || !fits {
		t.Fatalf("%s does not apply to linux-%s: %v", design, base.Version, err)
	}
	paths := make(map[string]string)
	for _, version := range []string{shipped, unguarded} {
		if version == unguarded {
			takeGuard(t, s)
		}
		tree, err := kernel.Apply(t.Context(), h, base, s)
		if err != nil {
			t.Fatal(err)
		}
		programs, err := selftests.Build(t.Context(), h, tree, []string{"clone3"})
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"amd64", "386"} {
			path := programs[filepath.Join(arch, "clone3", programOf[design])]
			if path == "" {
				t.Fatalf("%s has no program %s for %s: %v", design, programOf[design], arch, slices.Sorted(maps.Keys(programs)))
			}
			paths[strings.Join([]string{design, version, arch}, ",")] = path
		}
	}
	return paths
}

// takeGuard replaces the guard in the patch that has it.
func takeGuard(t *testing.T, s series.Series) {
	t.Helper()
	found := 0
	for i, p := range s.Patches {
		found += bytes.Count(p.Diff, []byte(guard[0]))
		s.Patches[i].Diff = bytes.ReplaceAll(p.Diff, []byte(guard[0]), []byte(guard[1]))
	}
	if found != 1 {
		t.Fatalf("%s has the line %q %d times, want 1", s.Name, guard[0], found)
	}
}

func copyProgram(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}
