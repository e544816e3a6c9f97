// SPDX-License-Identifier: BSD-3-Clause

// Package redteam boots every guest of tests/canary and compares vmtest's report
// with the list. Run it by "make canary". Without -boot it only checks that the
// list, the guests, the recorded runs and docs/misbehaving-guests.md agree.
package redteam

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"timens-vmtest/docs/docstest"
	"timens-vmtest/internal/retest"
	"timens-vmtest/vmtest/verdict/recording"
)

var (
	boot   = flag.Bool("boot", false, "boot the guests; builds kernels first")
	series = flag.String("series", "", "with -boot, the series whose kernel the guests run; by default a kernel with LKDTM, detectors and faults of our own, which many behaviours need")
	update = flag.Bool("update", false, "with -boot, store the outcome in the list, in docs/misbehaving-guests.md and as recorded runs")
)

// maxRecording bounds a recorded run.
const maxRecording = 150 << 10

// TestCanary boots one guest after the other.
func TestCanary(t *testing.T) {
	if !*boot {
		t.Skip("it builds and boots kernels, which takes minutes; run it by make canary")
	}
	if *update && *series != "" {
		t.Fatal("-update stores the outcome on the kernel with faults; leave out -series")
	}
	head, all := loadList(t)
	for i := range all {
		b := &all[i]
		t.Run(b.name, func(t *testing.T) {
			began := time.Now()
			dir := b.run(t)
			o, err := readOutcome(filepath.Join(dir, "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			got := o.lines()
			t.Logf("%.1f s: %s", time.Since(began).Seconds(), got[0])
			if !slices.Equal(got, b.want) && !*update {
				t.Errorf("%s is not classified as listed:\n%s", b.name, differ(joined(b.want), joined(got)))
			}
			if *update {
				b.want = got
				b.record(t, dir)
			}
		})
	}
	if *update {
		store(t, listFile, formatList(head, all))
		before, _, after := docstest.Parts(t, pageFile, tableBegin)
		store(t, pageFile, before+table(all)+after)
	}
}

func joined(lines []string) string { return strings.Join(lines, "\n") + "\n" }

func store(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// root is the folder of this module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run boots the guest with its test and TestPass after it, and returns the
// run's folder. The exit code must be the one in the report.
func (b behaviour) run(t *testing.T) string {
	t.Helper()
	results := filepath.Join(root(t), "bin", "canary", b.name)
	if err := os.RemoveAll(results); err != nil {
		t.Fatal(err)
	}
	kernel := []string{"-series", "tests/canary/faults", "-config", "canary"}
	if *series != "" {
		kernel = []string{"-series", *series}
	}
	flags := b.flags
	if !slices.Contains(flags, "-timeout") {
		flags = append([]string{"-timeout", "3s"}, flags...)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root(t), "bin", "vmtest"), slices.Concat([]string{"run"}, kernel, []string{
		"-tests", "tests/canary", "-run", `^canary\.(` + b.test + `|TestPass)$`,
		"-lane", "real", "-accel", "tcg", "-results", results,
	}, flags)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=") // a guest that is noticed is no news for GitHub
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	dir := filepath.Join(results, "latest")
	o, err := readOutcome(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if code := cmd.ProcessState.ExitCode(); code != o.Exit || o.Exit == 3 {
		t.Fatalf("exit code %d, the report has %d\n%s", code, o.Exit, out)
	}
	return dir
}

// record keeps the run's evidence among the judge's fixtures.
func (b behaviour) record(t *testing.T, dir string) {
	t.Helper()
	if b.unrecorded != "" {
		return
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	a, err := recording.Pack(dir, strings.NewReplacer(dir, "RESULTS", filepath.Dir(dir), "RESULTS", root(t), "CHECKOUT", cache, "CACHE", home, "HOME"))
	if err != nil {
		t.Fatal(err)
	}
	a.Comment = []byte("In this run " + b.does + ".\nRecorded by make canary. " + wantCommand + " stores what the judge says of it.\n\n")
	text := txtar.Format(a)
	if len(text) > maxRecording {
		t.Errorf("the recorded run has %d bytes, %d are allowed", len(text), maxRecording)
		return
	}
	store(t, filepath.Join(fixtures, b.name+".txtar"), string(text))
}

const wantCommand = "go test ./vmtest/verdict -update"

// The list names every Test function of the guests, and no other.
func TestListIsComplete(t *testing.T) {
	_, all := loadList(t)
	retest.IfChanged(t, root(t), "*.go", "go.mod")
	cmd := exec.Command("go", "test", "-list", "^Test", "./tests/canary")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	exist := make(map[string]bool)
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "Test") {
			exist[word] = false
		}
	}
	for _, b := range all {
		if b.does == "" || len(b.want) < 2 {
			t.Errorf("%s lacks a line does or want", b.name)
		}
		if _, ok := exist[b.test]; !ok {
			t.Errorf("%s names %s, which tests/canary does not have", b.name, b.test)
		}
		exist[b.test] = true
	}
	for test, listed := range exist {
		if !listed {
			t.Errorf("%s is not in %s", test, listFile)
		}
	}
}

// Every behaviour has a recorded run, unless the list says why not, and every
// recorded run has a behaviour.
func TestRecordedRuns(t *testing.T) {
	_, all := loadList(t)
	files, err := filepath.Glob(filepath.Join(fixtures, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, b := range all {
		if b.unrecorded == "" {
			want = append(want, filepath.Join(fixtures, b.name+".txtar"))
		}
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() > maxRecording {
			t.Errorf("%s: %v, or more than %d bytes", file, err, maxRecording)
		}
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("recorded runs:\n%s", differ(joined(want), joined(files)))
	}
}

func TestPageTable(t *testing.T) {
	_, all := loadList(t)
	_, got, _ := docstest.Parts(t, pageFile, tableBegin)
	if want := table(all); got != want {
		t.Errorf("the table of %s is not that of %s:\n%s", pageFile, listFile, differ(want, got))
	}
}

// The list has the format that -update writes.
func TestListFormat(t *testing.T) {
	text, err := os.ReadFile(listFile)
	if err != nil {
		t.Fatal(err)
	}
	head, all := loadList(t)
	if want := formatList(head, all); want != string(text) {
		t.Error(differ(want, string(text)))
	}
	for _, bad := range []string{"\ttest TestX\n", "a\n\tno member\n", "a\nb\na\n", "a\n# late\n"} {
		if _, all, err := parseList(bad); err == nil {
			t.Errorf("%q was accepted as %v", bad, all)
		}
	}
}

func TestSteady(t *testing.T) {
	for text, want := range map[string]string{
		"WARNING: CPU: 1 PID: 85 at drivers/misc/lkdtm/bugs.c:113 lkdtm_WARNING+0x14/0x20 (console.log:210)": "WARNING: CPU: N PID: N at drivers/misc/lkdtm/bugs.c:N lkdtm_WARNING+N (console.log:N)",
		"BUG: soft lockup - CPU#0 stuck for 22s! [canary.test:85]":                                           "BUG: soft lockup - CPU#N stuck for N! [canary.test:N]",
		"the kernel's taint went from 0x0 to 0x200 during canary.TestWarn":                                   "the kernel's taint went from 0x0 to 0x200 during canary.TestWarn",
	} {
		if got := steady(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
