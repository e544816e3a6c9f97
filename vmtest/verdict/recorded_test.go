// SPDX-License-Identifier: BSD-3-Clause

package verdict_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/verdict/recording"
)

var update = flag.Bool("update", false, "store the results of the judge as the expected ones")

// resultFile is the file of an archive with the expected result.
const resultFile = "result.json"

// Each archive in testdata is a run of one situation, recorded by "make canary".
func TestJudgeRecorded(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v, want recorded runs", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a := parse(t, file)
			e := unpack(t, a)
			got, err := json.MarshalIndent(verdict.Judge(e), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			at := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == resultFile })
			switch {
			case *update && at < 0:
				a.Files = append(a.Files, txtar.File{Name: resultFile, Data: got})
			case *update:
				a.Files[at].Data = got
			case at < 0:
				t.Fatalf("%s has no %s; go test ./vmtest/verdict -update writes it", file, resultFile)
			case !bytes.Equal(got, a.Files[at].Data):
				t.Errorf("got %s\nwant %s", got, a.Files[at].Data)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// If the records of a recorded pass are cut at any byte, the run does not pass.
func TestJudgeCutRecording(t *testing.T) {
	e := unpack(t, parse(t, filepath.Join("testdata", "pass.txtar")))
	if r := verdict.Judge(e); r.Verdict != verdict.Passed {
		t.Fatalf("the whole run is %v: %v", r.Verdict, r.Findings)
	}
	boot := &e.Lanes[0].Boots[0]
	whole := boot.Records
	for n := range whole {
		boot.Records = whole[:n]
		if r := verdict.Judge(e); r.Verdict == verdict.Passed {
			t.Fatalf("green with %d of %d bytes", n, len(whole))
		}
	}
}

func parse(t *testing.T, file string) *txtar.Archive {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unpack writes a recorded run to a folder and loads it from there.
func unpack(t *testing.T, a *txtar.Archive) verdict.Evidence {
	t.Helper()
	dir := t.TempDir()
	if err := recording.Unpack(a, dir); err != nil {
		t.Fatal(err)
	}
	e, err := verdict.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
