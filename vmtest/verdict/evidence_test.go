// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// write writes files below a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// stored has a file of each kind that a run can leave.
func stored() map[string]string {
	return map[string]string{
		RunFile: `{"series": "s", "lanes": ["real", "virtual"]}`, TroubleFile: `{"blame": "host", "text": "no QEMU"}`,
		ExpectFile: "expect", AllowFile: "allow", FloorFile: "floor", CoverageFile: `{"tests": ["p.TestA"]}`, AddedFile: `[{"path": "a.c"}]`,
		"real/plan.json": `{"id": "plan"}`, "real/boot.json": `{"boot_id": "boot"}`, "real/exit.json": `{"reason": "ended"}`,
		"real/console.log": "console", "real/decoded.log": "decoded", "real/records.jsonl": "records", "real/qemu.log": "qemu",
		"real/boot2/console.log": "second", "virtual/records.jsonl": "other",
	}
}

// Each file of a run's folder gets to the judge, and a file that is missing is a zero value.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, stored())
	want := Evidence{
		Run: &Run{Series: "s", Lanes: []string{"real", "virtual"}}, Trouble: &Trouble{BlameHost, "no QEMU"},
		Expect: []byte("expect"), Allow: []byte("allow"), Floor: []byte("floor"), Coverage: &Coverage{Tests: []string{"p.TestA"}}, Added: &[]Added{{Path: "a.c"}},
		Lanes: []LaneEvidence{
			{Lane: "real", Boots: []BootEvidence{
				{
					Plan: &wire.Plan{ID: "plan"}, Boot: &wire.Boot{BootID: "boot"}, Exit: &wire.Exit{Reason: "ended"},
					Console: []byte("console"), Decoded: []byte("decoded"), Records: []byte("records"), QEMULog: []byte("qemu"),
				},
				{Console: []byte("second")},
			}},
			{Lane: "virtual", Boots: []BootEvidence{{Records: []byte("other")}}},
		},
	}
	if got, err := Load(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := Load(t.TempDir()); err != nil || !reflect.DeepEqual(got, Evidence{}) {
		t.Errorf("an empty folder: got %+v, %v, want no evidence", got, err)
	}
	dir = t.TempDir()
	write(t, dir, map[string]string{ExpectFile: "expect"})
	if got, err := Load(dir); err != nil || !reflect.DeepEqual(got, Evidence{Expect: []byte("expect")}) {
		t.Errorf("a folder without run.json: got %+v, %v, want what it has", got, err)
	}
	dir = t.TempDir()
	write(t, dir, map[string]string{RunFile: `{"lanes": ["real"]}`})
	want = Evidence{Run: &Run{Lanes: []string{"real"}}, Lanes: []LaneEvidence{{Lane: "real", Boots: []BootEvidence{{}}}}}
	if got, err := Load(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a run that was cut off: got %+v, %v, want %+v", got, err, want)
	}
}

// A file that cannot be read, or that is damaged, is an error that names it: otherwise the judge
// would take it for one that is missing.
func TestLoadRefuses(t *testing.T) {
	if got, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Errorf("no folder: got %+v", got)
	}
	files := stored()
	for name := range files {
		dir := t.TempDir()
		write(t, dir, files)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := Load(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)+": is a directory") {
			t.Errorf("%s is a folder: got %+v, %v", name, got, err)
		}
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		for _, text := range []string{"", files[name][:len(files[name])-1]} {
			dir := t.TempDir()
			write(t, dir, files)
			write(t, dir, map[string]string{name: text})
			if got, err := Load(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name)+": ") {
				t.Errorf("%s is %q: got %+v, %v", name, text, got, err)
			}
		}
	}
	for name, files := range map[string]map[string]string{
		`DIR: lane "../real" is outside of the folder`: {RunFile: `{"lanes": ["../real"]}`},
		"not a directory":    {RunFile: `{"lanes": ["real"]}`, "real": "a file"},
		"shard1/exit.json: ": {RunFile: `{"lanes": ["real"]}`, "real/shard1/exit.json": "{"},
		"boot2/exit.json: ":  {RunFile: `{"lanes": ["real"]}`, "real/shard1/boot2/exit.json": "{"},
	} {
		dir := t.TempDir()
		write(t, dir, files)
		if got, err := Load(dir); err == nil || !strings.Contains(err.Error(), strings.Replace(name, "DIR", dir, 1)) || !reflect.DeepEqual(got, Evidence{}) {
			t.Errorf("got %+v, %v, want no evidence and an error with %q", got, err, name)
		}
	}
}

// A file that ends early is an error, and one that is missing changes nothing.
func TestLoadWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"whole": `{"base": "a"}` + "\n", "cut": `{"base": "a"}`, "damaged": "{\n", "empty": ""})
	before := &Pair{Series: "before"}
	for name, tc := range map[string]struct {
		want *Pair
		says string
	}{
		"whole":   {&Pair{Base: "a"}, ""},
		"none":    {before, ""},
		"cut":     {before, "cut is cut off"},
		"empty":   {before, "empty is cut off"},
		"damaged": {before, "damaged: "},
		".":       {before, "is a directory"},
	} {
		got := before
		err := LoadWhole(filepath.Join(dir, name), &got)
		if !reflect.DeepEqual(got, tc.want) || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %+v, %v, want %+v and an error with %q", name, got, err, tc.want, tc.says)
		}
	}
	text := []byte("before")
	if err := LoadBytes(filepath.Join(dir, "none"), &text); err != nil || string(text) != "before" {
		t.Errorf("no file: got %q, %v", text, err)
	}
}

// What cannot be found out is not taken for missing.
func TestExists(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": ""})
	for name, want := range map[string]bool{"a": true, "b": false, "a/b": true, ".": true} {
		if got := Exists(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
