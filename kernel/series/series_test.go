// SPDX-License-Identifier: BSD-3-Clause

package series

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel/patch"
)

const change = hosttest.Change

func TestLoadSeriesKeepsOrder(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"s/series":  "# in this order\nb.patch\n\na.patch # the second\n",
		"s/a.patch": change,
		"s/b.patch": change,
		"s/expect":  "fail p T # why\n",
		"s/design":  "# two numbers\ninline-ns\n",
	})
	s, err := Load(t.Context(), sandbox.Box{}, dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range s.Patches {
		names = append(names, p.Name)
	}
	if want := []string{"b.patch", "a.patch"}; !slices.Equal(names, want) {
		t.Errorf("order %v, want %v", names, want)
	}
	if string(s.Expect) != "fail p T # why\n" || s.Name != "s" || s.Design != "inline-ns" {
		t.Errorf("name %q, expect %q, design %q", s.Name, s.Expect, s.Design)
	}
	if _, err := Load(t.Context(), sandbox.Box{}, "nowhere", filepath.Join(dir, "s")); err != nil {
		t.Errorf("a folder in place of a name: %v", err)
	}
}

func TestLoadSeriesRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string // in the message
	}{
		"unknown":    {map[string]string{"other/series": ""}, "other"},
		"unlisted":   {map[string]string{"s/series": "", "s/a.patch": change}, "a.patch is not listed"},
		"missing":    {map[string]string{"s/series": "a.patch\n"}, "lists a.patch, which does not exist"},
		"twice":      {map[string]string{"s/series": "a.patch\na.patch\n", "s/a.patch": change}, "twice"},
		"options":    {map[string]string{"s/series": "a.patch -p0\n", "s/a.patch": change}, "-p1"},
		"design":     {map[string]string{"s/series": "", "s/design": "inline\n"}, "timens-offset, inline-ns, namespaces, none"},
		"designs":    {map[string]string{"s/series": "", "s/design": "inline-ns\nnone\n"}, "inline-ns none"},
		"no design":  {map[string]string{"s/series": "", "s/design": "# later\n"}, "is not one of"},
		"reverse":    {map[string]string{"s/series": "a.patch -R\n", "s/a.patch": change}, "series:1: \"a.patch -R\": patches are not applied in reverse"},
		"guard":      {map[string]string{"s/series": "# c\n\n+x a.patch\n", "s/a.patch": change}, "series:3: \"+x a.patch\": options other than -p1"},
		"-p0":        {map[string]string{"s/series": "a.patch -p0\n", "s/a.patch": change}, "with -p1 only, and never with -p0; make the patch again by \"quilt refresh -p ab\""},
		"compressed": {map[string]string{"s/series": "a.patch.gz\n", "s/a.patch.gz": "x"}, "a.patch.gz is compressed; unpack it"},
		"absolute":   {map[string]string{"s/series": "/a.patch\n"}, "not the path of a patch below the folder"},
		"below":      {map[string]string{"s/series": "sub/a.patch\n", "s/sub/a.patch": change, "s/sub/b.patch": change}, "sub/b.patch is not listed"},
		"other end":  {map[string]string{"s/series": "", "s/b.diff": change}, "b.diff is not listed"},
		"same name":  {map[string]string{"s/series": "sub/a.patch\nsub-a.patch\n", "s/sub/a.patch": change, "s/sub-a.patch": change}, "two patches would have the name sub-a.patch"},
		"elsewhere":  {map[string]string{"s/series": "../a.patch\n", "a.patch": change}, "../a.patch"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), sandbox.Box{}, hosttest.Folder(t, tc.files), "s")
			var usage *blame.UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a UsageError", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q does not say %q", err, tc.want)
			}
		})
	}
}

func TestLoadPatchRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no diff":         "just a mail\n",
		"leaves the tree": strings.ReplaceAll(change, "a.c", "../../a.c"),
		"cut":             change[:len(change)-len(" three\n")],
	} {
		dir := hosttest.Folder(t, map[string]string{"x.patch": text})
		_, err := patch.Load(t.Context(), sandbox.Box{}, filepath.Join(dir, "x.patch"))
		var build *blame.BuildError
		if !errors.As(err, &build) || build.Stage != "apply" {
			t.Errorf("%s: got %v, want a BuildError of apply", name, err)
		}
	}
}

// The series of this project load, and have the form that maintainers ask for.
func TestOwnSeries(t *testing.T) {
	names, err := Names("../patches")
	if err != nil || !slices.Contains(names, "control") {
		t.Fatalf("got %v, %v, want control among them", names, err)
	}
	for _, name := range names {
		s, err := Load(t.Context(), sandbox.Box{}, "../patches", name)
		if err != nil {
			t.Error(err)
		}
		all := []Series{s}
		variants, err := Variants(s.Folder)
		if err != nil {
			t.Error(err)
		}
		for _, v := range variants {
			s, err := v.Load(t.Context(), sandbox.Box{})
			if err != nil {
				t.Error(err)
			}
			all = append(all, s)
		}
		for _, s := range all {
			for _, p := range s.Patches {
				if faults := p.Formalities(); faults != nil {
					t.Errorf("%s/%s: %q", s.Folder, p.Name, faults)
				}
			}
		}
		if name == "control" && len(s.Patches) != 0 {
			t.Errorf("control has %d patches; it is the unpatched kernel", len(s.Patches))
		}
	}
}

// The patches of a variant that are equal to those of its series are stored once.
func TestOwnVariantsShare(t *testing.T) {
	found, err := filepath.Glob("../patches/*/*/*.patch")
	if err != nil || len(found) == 0 {
		t.Fatalf("got %q, %v, want the patches of variants", found, err)
	}
	for _, path := range found {
		own, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), filepath.Base(path)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		text, err2 := os.ReadFile(path)
		if err != nil || err2 != nil || bytes.Equal(own, text) {
			t.Errorf("%s (%v, %v): remove it and list ../%s", path, err, err2, filepath.Base(path))
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("a.patch\n# c\nsub/b.patch # d\n")
	f.Fuzz(func(t *testing.T, text string) {
		names, err := parseList("series", []byte(text))
		if err != nil {
			return
		}
		for _, name := range names {
			if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." {
				t.Errorf("%q leaves the folder", name)
			}
		}
	})
}

// Forms of a series file that quilt accepts and that change nothing are accepted.
func TestQuiltForms(t *testing.T) {
	for list, want := range map[string]string{
		"a.patch -p1\nb.patch\n":                         "a.patch b.patch",
		"sub/c.patch\nb.patch # last\na.patch":           "sub-c.patch b.patch a.patch",
		"\ufeffa.patch\r\nb.patch\r\n":                   "a.patch b.patch",
		"d.diff\n\n  # only this\n\te\na.patch\nb.patch": "d.diff e a.patch b.patch",
	} {
		files := map[string]string{"s/series": list, "s/a.patch": change, "s/b.patch": change, "s/0000-cover-letter.patch": "From: A <a@x>\nSubject: [PATCH 0/2] c\n\nText.\n", "s/e": change}
		for _, name := range []string{"sub/c.patch", "d.diff"} {
			if strings.Contains(list, name) {
				files["s/"+name] = change
			}
		}
		s, err := Load(t.Context(), sandbox.Box{}, hosttest.Folder(t, files), "s")
		var names []string
		for _, p := range s.Patches {
			names = append(names, p.Name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("%q: got %q, %v, want %s", list, names, err, want)
		}
	}
}

func TestMailboxFiles(t *testing.T) {
	dir := hosttest.Folder(t, map[string]string{
		"maildir.mbox/cur/1": "From: Ann <a@x>\n", "series.mbox/series": "a.patch\n", "series.mbox/a.patch": change,
		"one.mbx":    "From x\nFrom: Ann <a@x>\nSubject: [PATCH] one\n\nWhy.\n---\n" + change,
		"empty.mbox": "\n", "diff.mbox": change, "wide.mbox": "\xff\xfeF\x00", "quilt/patches/series": "", "one.patch": change,
	})
	for name, want := range map[string]string{
		"maildir.mbox": "is a folder, and has no file \"series\"", "empty.mbox": "it is empty", "diff.mbox": "it holds no mail", "wide.mbox": "UTF-16",
		"quilt": filepath.Join(dir, "quilt", "patches") + " has; give that folder",
	} {
		_, err := Load(t.Context(), sandbox.Box{}, "", filepath.Join(dir, name))
		if _, usage := errors.AsType[*blame.UsageError](err); !usage || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want a UsageError that says %q", name, err, want)
		}
	}
	for name, want := range map[string]string{"series.mbox": "series.mbox", "one.patch": "one", "one.mbx": "one"} {
		if s, err := Load(t.Context(), sandbox.Box{}, "", filepath.Join(dir, name)); err != nil || len(s.Patches) != 1 || s.Name != want {
			t.Errorf("%s: got series %s with %d patches, %v, want series %s", name, s.Name, len(s.Patches), err, want)
		}
	}
}
