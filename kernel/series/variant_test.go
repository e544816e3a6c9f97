// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/source"
)

// variants are a series with two variants below its own folder, and one without any.
func variants(t *testing.T) string {
	return hosttest.Folder(t, map[string]string{
		"s/series":         "# About.\na.patch\nb.patch\n",
		"s/a.patch":        change,
		"s/b.patch":        strings.ReplaceAll(change, "a.c", "b.c"),
		"s/design":         "inline-ns\n",
		"s/expect":         "fail p T # why\n",
		"s/7.3/series":     "# For 7.3.\na.patch\n../b.patch\n",
		"s/7.3/a.patch":    strings.ReplaceAll(change, "two", "2"),
		"s/7.3/expect":     "fail p T # another reason\n",
		"s/10.0/series":    "../a.patch\n",
		"s/notes/x.txt":    "no variant",
		"plain/series":     "a.patch\n",
		"plain/a.patch":    change,
		"elsewhere/a.diff": change,
	})
}

func TestLoadVariant(t *testing.T) {
	dir := variants(t)
	for which, want := range map[string]struct {
		variant, expect string
		patches         []string
		first           string // text that the first patch has
	}{
		"s":      {"6.12", "why", []string{"a.patch", "b.patch"}, "-two\n"},
		"s/6.12": {"6.12", "why", []string{"a.patch", "b.patch"}, "-two\n"},
		"s/7.3":  {"7.3", "another reason", []string{"a.patch", "b.patch"}, "-2\n"},
		"s/10.0": {"10.0", "why", []string{"a.patch"}, "-two\n"},
	} {
		for _, which := range []string{which, filepath.Join(dir, which)} {
			s, err := Load(t.Context(), sandbox.Box{}, dir, which)
			if err != nil {
				t.Errorf("%s: %v", which, err)
				continue
			}
			var names []string
			for _, p := range s.Patches {
				names = append(names, p.Name)
			}
			if s.Name != "s" || s.Variant != want.variant || s.Design != "inline-ns" || !strings.Contains(string(s.Expect), want.expect) || !slices.Equal(names, want.patches) {
				t.Errorf("%s: got %s, variant %s, design %s, expect %q, patches %q; want %+v", which, s.Name, s.Variant, s.Design, s.Expect, names, want)
			} else if !strings.Contains(string(s.Patches[0].Text), want.first) {
				t.Errorf("%s: the first patch is\n%s", which, s.Patches[0].Text)
			}
		}
	}
	for which, choice := range map[string]int{"s": 3, "s/6.12": 0, "s/7.3": 0, "plain": 0} {
		if s, err := Load(t.Context(), sandbox.Box{}, dir, which); err != nil || len(s.Variants) != choice {
			t.Errorf("%s: %d variants to choose from, %v, want %d", which, len(s.Variants), err, choice)
		}
	}
	if s, err := Load(t.Context(), sandbox.Box{}, dir, "plain"); err != nil || s.Variant != "" {
		t.Errorf("a series without variants: got variant %q, %v", s.Variant, err)
	}
}

func TestLoadVariantRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		list string // of s/7.3
		want string
	}{
		"missing":     {"a.patch\n../c.patch\n", "lists ../c.patch, which does not exist"},
		"too far":     {"../../a.patch\n", "not the path of a patch"},
		"folder":      {"../\n", "not the path of a patch"},
		"not clean":   {"..//a.patch\n", "not the path of a patch"},
		"both":        {"../a.patch\na.patch\n", "two patches would have the name a.patch"},
		"not listed":  {"../a.patch\n", "a.patch is not listed in"},
		"shared else": {"a.patch\n../x/../b.patch\n", "not the path of a patch"},
	} {
		dir := variants(t)
		if err := os.WriteFile(filepath.Join(dir, "s/7.3/series"), []byte(tc.list), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), sandbox.Box{}, dir, "s/7.3")
		if blame.Of(err) != blame.User || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a usage error that says %q", name, err, tc.want)
		}
	}
}

func TestUnknownVariant(t *testing.T) {
	dir := variants(t)
	for which, want := range map[string]string{
		"s/7.4":                       `the series s has no variant 7.4; it is there for 6.12, 7.3, 10.0; "vmtest series edit -base 7.4 s/7.4" begins that one`,
		filepath.Join(dir, "s/7.4"):   "the series s has no variant 7.4",
		"s/later":                     "the series s has no variant later; it is there for 6.12, 7.3, 10.0",
		"plain/7.3":                   "the series plain has no variant 7.3; it is there for 6.12; ",
		"nowhere/7.3":                 "there is no series nowhere/7.3: no such path",
		filepath.Join(dir, "nowhere"): "no such path",
	} {
		_, err := Load(t.Context(), sandbox.Box{}, dir, which)
		if blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a usage error that says %q", which, err, want)
		}
	}
}

func TestVariants(t *testing.T) {
	dir := variants(t)
	all, err := Variants(filepath.Join(dir, "s"))
	if err != nil || !slices.Equal(Releases(all), []string{"6.12", "7.3", "10.0"}) {
		t.Errorf("got %v, %v", all, err)
	}
	for _, folder := range []string{"plain", "s/7.3", "elsewhere", "nowhere"} {
		if all, err := Variants(filepath.Join(dir, folder)); all != nil || err != nil {
			t.Errorf("%s: got %v, %v, want no choice", folder, all, err)
		}
	}
	for version, want := range map[string]string{
		"5.10.3":     "6.12 7.3 10.0",
		"6.12.117":   "6.12 7.3 10.0",
		"6.19.0-rc3": "6.12 7.3 10.0",
		"7.3.4":      "7.3 6.12 10.0",
		"7.3-rc1":    "7.3 6.12 10.0",
		"9.99":       "7.3 6.12 10.0",
		"10.0.0":     "10.0 7.3 6.12",
		"odd":        "6.12 7.3 10.0",
	} {
		if got := strings.Join(Releases(Nearest(all, version)), " "); got != want {
			t.Errorf("linux-%s: got %s, want %s", version, got, want)
		}
	}
}

// newer is the base of a workshop, with a file in which one patch of the series does not
// apply, as a later release.
func (w workshop) newer() source.Base {
	tree := make(map[string]string)
	for name, text := range editTree {
		tree[name] = text
	}
	tree["Makefile"] = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n"
	tree["a.c"] = lines(40, map[int]string{31: "new line 31\n"})
	return packaged(w.T, w.Host, tree)
}

// begin makes the variant 7.3 of the series of a workshop as a user does: the second patch is
// ported by hand. It returns the workshop of the variant.
func (w workshop) begin() workshop {
	w.Helper()
	w.mustEdit() // so that the patches have git's index lines
	if _, err := w.place().Export(w.Context(), sandbox.Box{}); err != nil {
		w.Fatal(err)
	}
	v := w
	v.base, v.folder, v.tree = w.newer(), w.inFolder("7.3"), w.tree+"-7.3"
	place := v.place()
	place.From = w.folder
	repository := func() (string, error) { return v.base.Repository(v.Context(), v.Host) }
	if err := place.Edit(w.Context(), w.Host, repository, v.base.Version); blame.Of(err) != blame.Kernel {
		w.Fatalf("got %v, want that the second patch does not apply", err)
	}
	if got := v.git("branch", "--show-current") + v.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); !strings.Contains(got, "s-7.3") {
		w.Errorf("the branch is %q", got)
	}
	v.write(v.inTree("a.c"), lines(40, map[int]string{10: "changed\n", 30: "changed\n", 31: "new line 31\n"}))
	if err := os.Remove(v.inTree("a.c.rej")); err != nil {
		w.Fatal(err)
	}
	v.git("add", "-u")
	v.git("am", "--continue")
	v.write(v.inTree("dir/b.c"), lines(40, map[int]string{5: "five\n"}))
	v.git("commit", "-qam", "b: change the fifth line")
	return v
}

const fifth = "0003-b-change-the-fifth-line.patch"

func TestExportNewVariant(t *testing.T) {
	w := newWorkshop(t)
	v := w.begin()
	if _, err := os.Stat(v.folder); err == nil {
		t.Error("edit made the folder of the variant; a tree that is given up leaves it behind")
	}
	// The index line of a patch names the whole file, so the first differs, too.
	v.mustExport(tenth, thirtieth, fifth, "series")
	if got, want := v.read(v.inFolder("series")), "# The patches for Linux 7.3.\n"+tenth+"\n"+thirtieth+"\n"+fifth+"\n"; got != want {
		t.Errorf("series is %q, want %q", got, want)
	}
	v.mustExport()
	s, err := Load(t.Context(), sandbox.Box{}, filepath.Dir(w.folder), "s")
	if err != nil || len(s.Patches) != 2 {
		t.Errorf("the own patches of the series: got %d, %v", len(s.Patches), err)
	}
	if s, err = Load(t.Context(), sandbox.Box{}, filepath.Dir(w.folder), "s/7.3"); err != nil || len(s.Patches) != 3 || s.Variant != "7.3" || s.Expect == nil {
		t.Errorf("the variant: got %+v, %v", s, err)
	}
}

// A patch that both have is stored once. It is copied when one of them changes it, and shared
// again when they are equal again; none of this is a change for the git tree of the other.
func TestExportShares(t *testing.T) {
	w := newWorkshop(t)
	v := w.begin()
	v.mustExport(tenth, thirtieth, fifth, "series")
	w.write(w.inTree("dir/b.c"), lines(40, map[int]string{5: "five\n"}))
	w.git("commit", "-qam", "b: change the fifth line")
	w.git("commit", "-q", "--amend", "--no-edit", "--author="+strings.TrimSpace(v.git("log", "-1", "--format=%an <%ae>")), "--date="+strings.TrimSpace(v.git("log", "-1", "--format=%aD")))
	w.mustExport(fifth, "series", "7.3/series", "7.3/"+fifth)
	sharing := "# The patches for Linux 7.3.\n" + tenth + "\n" + thirtieth + "\n../" + fifth + "\n"
	if got := v.read(v.inFolder("series")); got != sharing {
		t.Errorf("series is %q, want %q", got, sharing)
	}
	v.mustExport()
	if got := v.read(v.inFolder("series")); got != sharing {
		t.Errorf("exported again, series is %q, want %q", got, sharing)
	}

	before := w.read(w.inFolder(fifth))
	w.git("commit", "-q", "--amend", "-m", "b: Say five")
	w.mustExport("7.3/"+fifth, "7.3/series", "0003-b-Say-five.patch", "series", fifth)
	if got := v.read(v.inFolder(fifth)); got != before {
		t.Errorf("the variant's patch is now\n%s\nwant\n%s", got, before)
	}
	v.mustExport()
	v.git("commit", "-q", "--amend", "-m", "b: Say five")
	v.mustExport("series", fifth)
	if got, want := v.read(v.inFolder("series")), strings.ReplaceAll(sharing, fifth, "0003-b-Say-five.patch"); got != want {
		t.Errorf("series is %q, want %q", got, want)
	}
	if found, err := filepath.Glob(v.inFolder("0003*")); err != nil || found != nil {
		t.Errorf("stored twice: %q, %v", found, err)
	}
}
