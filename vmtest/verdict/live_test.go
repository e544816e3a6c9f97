// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

// While a boot runs, each test that ends has the result that the judge will give it.
func TestLiveTake(t *testing.T) {
	s := greenScript()
	s[7].Data, s[8].End = resultLine("FAIL", testB), &wire.End{Exit: 1, DurationS: 2, LeftProcesses: 1, LeftNames: []string{"sh"}}
	e := greenRun()
	e.Lanes[0].Boots[0].Records = s.bytes()
	want := Judge(e).Lanes[0].Tests
	var l Live
	var got []TestResult
	for i, r := range s {
		result, ended := l.Take(r)
		if ended != (r.Type == wire.TypeEnd) {
			t.Errorf("record %d, %s: ended %v", i, r.Type, ended)
		}
		if ended {
			result.Expected = Pass // nobody has asked for another status
			got = append(got, result)
		} else if !reflect.DeepEqual(result, TestResult{}) {
			t.Errorf("record %d, %s: got %+v, want nothing", i, r.Type, result)
		}
	}
	if !reflect.DeepEqual(got, want) || len(got) != 2 || got[0].Status != Pass || got[1].Status != Fail {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Each splat is shown once, and none that is allowed.
func TestLiveSplats(t *testing.T) {
	file := filepath.Join(t.TempDir(), wire.ConsoleFile)
	allow, err := ParseAllow([]byte("^WARNING: known # it is\n"))
	if err != nil {
		t.Fatal(err)
	}
	var l Live
	look := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range l.Splats(file, allow) {
			got = append(got, s.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	grow := func(text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	const next = "[    1.0] vmtest: start p.TestX\n" // ends the splat before it
	look()
	grow("[    1.0] hello\n")
	look()
	grow("[    1.0] BUG: a\n" + next)
	look("BUG: a")
	look()
	grow("[    1.0] WARNING: known\n" + next)
	look()
	grow("[    1.0] BUG: b\n" + next + "[    1.0] BUG: c\n")
	look("BUG: b", "BUG: c")
	// A log is not read again as long as it has the same size.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Repeat("BUG: d\nvmtest: start x\n", 6)
	if err := os.WriteFile(file, []byte(more+strings.Repeat("\n", len(text)-len(more))), 0o644); err != nil {
		t.Fatal(err)
	}
	look()
	// A log that became shorter has no news, and the next splat has.
	if err := os.WriteFile(file, []byte("[    1.0] BUG: e\n"+next), 0o644); err != nil {
		t.Fatal(err)
	}
	look()
	grow("[    1.0] BUG: f\n")
	look("BUG: f")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	look()
	if err := os.Mkdir(file, 0o755); err != nil { // it can be looked at, and not be read
		t.Fatal(err)
	}
	look()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	grow("[    1.0] BUG: e\n" + next + "[    1.0] BUG: f\n" + next + "[    1.0] BUG: g\n")
	look("BUG: g") // the others were shown
}
