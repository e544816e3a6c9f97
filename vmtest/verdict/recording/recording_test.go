// SPDX-License-Identifier: BSD-3-Clause

package recording

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// Anything that a guest prints comes back from a file on disk, byte for byte.
func TestRoundTrip(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            "",
		"plain":            "one\ntwo\n",
		"no final newline": "one\ntw",
		"carriage returns": "one\r\ntwo\r\n",
		"not UTF-8":        "\xff\xfe\x00\n",
		"a marker":         "one\n-- records.jsonl --\ntwo\n",
		"a quoted line":    "\"one\"\n>two\n",
		"only a newline":   "\n",
	} {
		t.Run(name, func(t *testing.T) {
			from, to := t.TempDir(), t.TempDir()
			for _, dir := range []string{from, filepath.Join(from, "real")} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "console.log"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			a, err := Pack(from, strings.NewReplacer())
			if err != nil {
				t.Fatal(err)
			}
			if err := Unpack(txtar.Parse(txtar.Format(a)), to); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"console.log", "real/console.log"} {
				if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != text {
					t.Errorf("%s: got %q, %v, want %q", name, got, err, text)
				}
			}
		})
	}
}

// What the judge reads of a run that measured coverage comes back, so that the recording has the
// verdict of the run.
func TestCoverageIsEvidence(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, v := range map[string]any{
		verdict.RunFile:      verdict.Run{Series: "s", Base: "6.12.117", Lanes: []string{"real"}, Coverage: true},
		verdict.CoverageFile: verdict.Coverage{Tests: []string{"p.TestA"}, Files: []verdict.CoveredFile{{Path: "a.c", Lines: []verdict.CoveredLine{{Op: "+", N: 1, Text: "x", Count: 1, Tests: []int{0}}, {Op: "+", N: 2, Text: "y"}}}}},
	} {
		if err := wire.WriteJSON(filepath.Join(from, name), v); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{verdict.ExpectFile: "fail p TestA # x\n", verdict.AllowFile: "# none\n", verdict.FloorFile: "40 # the other line needs bad memory\n"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Pack(from, strings.NewReplacer())
	if err != nil {
		t.Fatal(err)
	}
	if err := Unpack(a, to); err != nil {
		t.Fatal(err)
	}
	want, err := verdict.Load(from)
	if err != nil {
		t.Fatal(err)
	}
	got, err := verdict.Load(to)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, the recording has %+v, want %+v", err, got, want)
	}
	if c := verdict.Judge(got).Coverage; c == nil || c.Percent() != 50 || c.Floor.Percent != 40 {
		t.Errorf("the coverage is judged as %+v, want 50 %% and a floor of 40 %%", c)
	}
}

func TestPackTakesEvidenceOnly(t *testing.T) {
	dir := t.TempDir()
	if a, err := Pack(dir, strings.NewReplacer()); err == nil {
		t.Errorf("packed an empty folder to %v", a.Files)
	}
	for name, text := range map[string]string{"run.json": "{\"command\":[\"/home/me/x\"]}\n", "vmlinux": "large"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, err := Pack(dir, strings.NewReplacer("/home/me", "$ROOT"))
	if err != nil || len(a.Files) != 1 || !bytes.Contains(a.Files[0].Data, []byte("$ROOT/x")) {
		t.Errorf("got %v, %v, want run.json with its path replaced", a.Files, err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	a := &txtar.Archive{Files: []txtar.File{{Name: "../x", Data: []byte("x\n")}}}
	if err := Unpack(a, t.TempDir()); err == nil {
		t.Error("it wrote outside of its folder")
	}
	a.Files[0] = txtar.File{Name: "x.quoted", Data: []byte("not quoted\n")}
	if err := Unpack(a, t.TempDir()); err == nil {
		t.Error("it took what is not quoted")
	}
}

func FuzzQuote(f *testing.F) {
	f.Add([]byte("one\r\ntw"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a := txtar.Parse(txtar.Format(&txtar.Archive{Files: []txtar.File{Quote("x", text)}}))
		if len(a.Files) != 1 {
			t.Fatalf("%q became %d files", text, len(a.Files))
		}
		if name, got, err := Unquote(a.Files[0]); name != "x" || !bytes.Equal(got, text) || err != nil {
			t.Errorf("%q became %s with %q, %v", text, name, got, err)
		}
	})
}
