// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/worker"
)

// runner runs bin/vmtest, as a person would, once or twice for each mutant.
type runner struct {
	host  host.Host // its cache remembers the outcomes
	base  string    // name of the base
	all   bool      // run all tests from the start
	first bool      // stop at the first test that notices
	tests string    // digest of the sources of the guest and the judge
	began time.Time
	// The rows of the tables: of the base, and of the default base if that is another.
	here, elsewhere map[string]string
	made            *generation          // of generated mutants; nil if the mutants are listed
	unmutated       map[string]unmutated // the kernels of the series whose mutants sleep in one
	compiler        *kernel.Compiler     // of the series that is run; nil if none of its mutants sleeps
	jobs            int                  // how many mutants at a time
}

func newRunner(h host.Host, o options) (runner, error) {
	digest, err := digestOf("initramfs", "internal", "kconfig", "kernel", "tests", "vmtest")
	r := runner{host: h, base: o.base, all: o.all, first: !o.update, tests: digest, began: time.Now(), jobs: o.jobs, unmutated: make(map[string]unmutated)}
	if file, tabled := tableFiles[o.base]; err == nil && tabled {
		r.here, err = readTables(file)
	}
	if err == nil && o.base != source.DefaultRelease {
		r.elsewhere, err = readTables(tableFiles[source.DefaultRelease])
	}
	return r, err
}

// results returns the folder of the runs.
func (r runner) results() string {
	if r.base == source.DefaultRelease {
		return resultsFolder
	}
	return filepath.Join(resultsFolder, r.base)
}

func (r runner) elapsed() time.Duration { return time.Since(r.began).Round(time.Second) }

// The ways of running the tests: first those that noticed last time, then those that are
// likely to notice, in the virtual lane, where waits cost nothing; then all, because only
// that shows that no test notices.
var (
	someTests = []string{"-lane", "virtual"}
	allTests  = []string{"-lane", "both"}
)

// baseline checks that without a mutant all tests are as expected. Otherwise a
// failure with a mutant would mean nothing.
func (r runner) baseline(ctx context.Context, series string) error {
	say("%s without a mutant", series)
	dir := filepath.Join(r.results(), series, "baseline")
	_, err := r.answer(ctx, []string{series}, func() (outcome, error) {
		rep, err := r.vmtest(ctx, dir, append([]string{"-base", r.base, "-series", series}, allTests...))
		if err == nil && rep.Verdict != "pass" {
			err = fmt.Errorf("without a mutant %s does not pass: %s; see %s", series, rep.headline(), dir)
		}
		return outcome{}, err
	})
	return err
}

// outcome is how the last run of a mutant ended.
type outcome struct {
	Caught   []string // as report.noticed returns it
	Verdict  string
	Headline string // of the report
}

// answer returns what ask returns, or what it returned in an earlier run with the
// same tests.
func (r runner) answer(ctx context.Context, about []string, ask func() (outcome, error)) (outcome, error) {
	return host.Answer(ctx, r.host, fmt.Sprintf("mutant 3 %q %q %q", r.base, r.tests, about), ask)
}

// runAll runs mutants, which are sorted by series, several at a time, and
// returns the results of those that ran.
func (r runner) runAll(ctx context.Context, all []patched) ([]result, error) {
	results := make([]result, len(all))
	done := 0
	for begin := 0; begin < len(all); {
		end := begin
		for end < len(all) && all[end].series == all[begin].series {
			end++
		}
		if err := r.baseline(ctx, all[begin].series); err != nil {
			return ran(results), err
		}
		p := progress{results[begin:end], &done, len(all)}
		if err := r.runSeries(ctx, all[begin:end], p); err != nil {
			return ran(results), err
		}
		begin = end
	}
	return results, nil
}

// progress takes the results of some mutants, and prints each.
type progress struct {
	results []result // as the mutants are; those without a name have not run
	done    *int
	of      int
}

func (p progress) set(i int, res result, began time.Time, r runner) {
	p.results[i] = res
	*p.done++
	say("%d/%d %v %s (%.0f s, %v in all)", *p.done, p.of, res.mutant, res.says(3), time.Since(began).Seconds(), r.elapsed())
}

// runEach runs those of the mutants of a series that have no result yet. With a kernel that has many mutants it runs those
// of that kernel, and without one all others.
func (r runner) runEach(ctx context.Context, all []patched, p progress, k *asleep) error {
	memory := run.Request{Lanes: []string{wire.Real, wire.Virtual}}.MemoryMB(r.host.UsableCores() / max(r.jobs, 1)) // if no test of the likely ones notices
	var items []worker.Item
	var numbers []int // of the items
	results, began := make([]result, len(all)), make([]time.Time, len(all))
	for i, m := range all {
		if p.results[i].name != "" || k != nil && k.number[m.String()] == 0 {
			continue
		}
		numbers = append(numbers, i)
		items = append(items, worker.Item{Name: m.String(), MemoryMB: memory, Run: func(ctx context.Context, share worker.Share) error {
			one := r
			one.host.Cores, began[i] = share.Cores, time.Now()
			results[i] = one.run(ctx, m, k)
			return nil
		}})
	}
	for item, err := range (worker.Worker{Jobs: r.jobs, Free: vm.FreeMB}).Work(ctx, items) {
		i := numbers[item]
		switch {
		case ctx.Err() != nil: // what became of those that were cut off is not known
		case err != nil:
			return err
		default:
			p.set(i, results[i], began[i], r)
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; the finished mutants are remembered")
	}
	return nil
}

func ran(results []result) []result {
	return slices.DeleteFunc(results, func(r result) bool { return r.name == "" })
}

// run returns the result of a mutant, which may be one of those that sleep in a kernel k. What is wrong with a listed
// mutant is not remembered, because it has to be mended.
func (r runner) run(ctx context.Context, m patched, k *asleep) result {
	o, err := r.answer(ctx, r.about(m.mutant, m.patch), func() (outcome, error) {
		o, err := r.try(ctx, m, k)
		if err == nil && !m.generated {
			err = m.judge(o)
		}
		return o, err
	})
	if err != nil {
		return result{mutant: m.mutant, wrong: err}
	}
	return m.result(o)
}

// try runs the tests that are likely to notice a mutant, and all tests if none of them does. A generated mutant may turn out to be
// equivalent before all tests run: most mutants are caught by then, and an equivalent one costs no run in the lane real.
func (r runner) try(ctx context.Context, m patched, k *asleep) (o outcome, err error) {
	dir, file, err := r.writePatch(m.mutant, m.patch)
	if err != nil {
		return outcome{}, err
	}
	if k == nil && m.generated {
		before, decided, forget, failed := r.prejudge(ctx, m, file)
		defer func() { err = errors.Join(err, forget()) }()
		if decided || failed != nil {
			return before, failed
		}
	}
	ways := r.ways(m.mutant)
	for i, way := range ways {
		if k != nil && m.generated && i == len(ways)-1 {
			if same, decided, err := r.compileAlone(ctx, m); decided || err != nil {
				return same, err
			}
		}
		rep, err := r.boot(ctx, m, k, dir, file, way)
		if err != nil {
			return outcome{}, fmt.Errorf("has no verdict: %w", err)
		}
		o = outcome{Caught: rep.noticed(), Verdict: rep.Verdict, Headline: rep.headline()}
		if len(o.Caught) > 0 || o.Verdict == unbuildable || m.generated && o.Verdict != "pass" {
			break
		}
		if k == nil || o.Verdict != "pass" {
			continue
		}
		if err := wasAwake(dir, k.number[m.String()]); err != nil {
			return outcome{}, fmt.Errorf("has no verdict: %w", err)
		}
	}
	return o, nil
}

// about is what the answer about a mutant depends on.
func (r runner) about(m mutant, patch []byte) []string {
	return []string{m.series, m.run, m.tests, m.equivalent, string(patch), fmt.Sprint(r.all, r.first)}
}

// ways returns the flags for the runs of a mutant. They are tried in this order
// until a test notices. The last way runs all tests to their end.
func (r runner) ways(m mutant) [][]string {
	ways := [][]string{allTests}
	if m.generated && r.first && !r.all {
		return append([][]string{append([]string{"-order", "likely", "-fail-fast"}, someTests...)}, ways...)
	}
	if m.tests != "" {
		ways = append(ways, append([]string{"-tests", m.tests}, allTests...))
	}
	if r.all {
		return ways
	}
	row := r.elsewhere[m.String()]
	if here := r.here[m.String()]; here != "" && r.first {
		row = here // a new record of the tests must not begin with the old one
	}
	var likely [][]string
	for _, tests := range []string{selects(row), m.run} {
		if tests == "" {
			continue
		}
		way := append([]string{"-run", tests}, someTests...)
		if m.tests != "" {
			way = append(way, "-tests", m.tests)
		}
		if r.first {
			way = append(way, "-fail-fast")
		}
		likely = append(likely, way)
	}
	return append(likely, ways...)
}

// result returns what the last run of a mutant shows. A generated mutant may be one that no
// compiler takes. That its kernel dies before the first test is noticed, too.
func (m mutant) result(o outcome) result {
	switch {
	case m.generated && o.Verdict == unbuildable:
		return result{mutant: m, unbuilt: o.Headline}
	case m.generated && o.Verdict == sameCode:
		m.equivalent = "the compiler makes the same code"
		return result{mutant: m}
	}
	if m.generated && o.Verdict != "pass" && len(o.Caught) == 0 {
		o.Caught = []string{"the run: " + o.Headline}
	}
	return result{mutant: m, caught: o.Caught, wrong: m.judge(o)}
}

// judge returns what is wrong with a mutant, from its last run.
func (m mutant) judge(o outcome) error {
	switch {
	case o.Verdict == "build":
		return errors.New("does not build: " + o.Headline)
	case len(o.Caught) > 0 && m.equivalent != "":
		return errors.New("is not equivalent: it is caught by " + shortened(o.Caught, 3))
	case len(o.Caught) > 0:
		return nil
	case o.Verdict == "pass" && m.equivalent != "":
		return nil
	case o.Verdict == "pass":
		return errors.New("survives")
	}
	return errors.New("failed, but no test caught it: " + o.Headline)
}

// boot runs tests on a mutant: on the kernel in which it sleeps, or on one of its own. The cache does not keep the latter,
// because nothing else needs it.
func (r runner) boot(ctx context.Context, m patched, k *asleep, dir, file string, flags []string) (report, error) {
	if k == nil {
		return r.vmtest(ctx, dir, append([]string{"-base", r.base, "-series", m.series, "-patch", file, "-forget"}, flags...))
	}
	if at := slices.Index(flags, "likely"); at >= 0 { // the patch of the kernel changes many functions
		flags = slices.Replace(slices.Clone(flags), at, at+1, "likely="+r.made.from[m.String()].Function)
	}
	return r.wake(ctx, k, k.number[m.String()], dir, flags)
}

// writePatch makes the folder of a mutant anew, and writes its patch to a file there.
func (r runner) writePatch(m mutant, patch []byte) (dir, file string, err error) {
	dir = filepath.Join(r.results(), m.series, m.name)
	if err := os.RemoveAll(dir); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	file = filepath.Join(dir, filepath.Base(m.name)+".patch")
	return dir, file, os.WriteFile(file, patch, 0o644)
}

// vmtest runs "vmtest run", keeps what it prints, and reads its report.
func (r runner) vmtest(ctx context.Context, dir string, flags []string) (report, error) {
	args := append([]string{"run", "-results", dir}, flags...)
	if !slices.Contains(flags, "-order") {
		args = append(args, "-order", "source")
	}
	cmd := exec.CommandContext(ctx, "bin/vmtest", args...)
	cmd.Env = append(os.Environ(), r.host.GoCores(), "GITHUB_ACTIONS=") // a mutant that is caught is no news for GitHub
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return report{}, err
	}
	if ctx.Err() != nil {
		return report{}, ctx.Err()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return report{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "output"), out, 0o644); err != nil {
		return report{}, err
	}
	rep, err := readReport(filepath.Join(dir, "latest", "report.json"))
	if err == nil && rep.Verdict == "unjudged" {
		err = errors.New(rep.headline())
	}
	if err != nil {
		return report{}, fmt.Errorf("%w; %s printed:\n%s", err, strings.Join(cmd.Args, " "), out)
	}
	return rep, nil
}

// digestOf returns a digest of all files below the folders, except mutants and
// canaries, which are in no other guest, and tests of the host, which are in none.
func digestOf(folders ...string) (string, error) {
	h := sha256.New()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if name := d.Name(); name == "testdata" || name == "mutants" || name == "canary" {
					return fs.SkipDir
				}
				return nil
			}
			if folder != "tests" && strings.HasSuffix(path, "_test.go") {
				return nil
			}
			text, err := os.ReadFile(path)
			fmt.Fprintf(h, "%q %x\n", path, sha256.Sum256(text)) // never an error
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
