package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// runner runs bin/vmtest, as a person would, once or twice for each mutant.
type runner struct {
	all   bool   // run all tests at once
	tests string // digest of all that the guest and the judge are made of
	began time.Time
}

func newRunner(all bool) (runner, error) {
	digest, err := digestOf("initramfs", "kconfig", "kernel", "tests", "vmtest")
	return runner{all: all, tests: digest, began: time.Now()}, err
}

func (r runner) elapsed() time.Duration { return time.Since(r.began).Round(time.Second) }

// The two ways of running the tests: those that are likely to notice where
// waits cost nothing, and all there are, which alone can say that nobody does.
var (
	someTests = []string{"-lane", "virtual"}
	allTests  = []string{"-lane", "both"}
)

// baseline makes sure that without a mutant all is as expected. Otherwise it
// would mean nothing that a test fails with one.
func (r runner) baseline(ctx context.Context, series string) error {
	say("%s without a mutant", series)
	dir := filepath.Join(resultsFolder, series, "baseline")
	key := digest(r.tests, series)
	if _, ok := remembered(dir, key); ok {
		return nil
	}
	rep, err := vmtest(ctx, dir, append([]string{"-series", series}, allTests...))
	if err != nil {
		return err
	}
	if rep.Verdict != "pass" {
		return fmt.Errorf("without a mutant %s does not pass: %s; see %s", series, rep.headline(), dir)
	}
	return remember(dir, key, nil)
}

// runAll runs mutants, which are sorted by series, some at a time, and returns
// what came of those that were run.
func (r runner) runAll(ctx context.Context, all []mutant, patches [][]byte, jobs int) ([]result, error) {
	results := make([]result, len(all))
	var done atomic.Int64
	for begin := 0; begin < len(all); {
		end := begin
		for end < len(all) && all[end].series == all[begin].series {
			end++
		}
		if err := r.baseline(ctx, all[begin].series); err != nil {
			return ran(results), err
		}
		var group errgroup.Group
		group.SetLimit(jobs)
		for i := begin; i < end; i++ {
			group.Go(func() error {
				began := time.Now()
				res := r.run(ctx, all[i], patches[i])
				if ctx.Err() != nil {
					return errors.New("interrupted; what has been answered is remembered")
				}
				results[i] = res
				say("%d/%d %v %s (%.0f s, %v in all)", done.Add(1), len(all), all[i], results[i].says(3), time.Since(began).Seconds(), r.elapsed())
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return ran(results), err
		}
		begin = end
	}
	return results, nil
}

func ran(results []result) []result {
	return slices.DeleteFunc(results, func(r result) bool { return r.name == "" })
}

// run runs the tests that are likely to notice a mutant, and all if none does.
func (r runner) run(ctx context.Context, m mutant, patch []byte) result {
	res := result{mutant: m}
	dir := filepath.Join(resultsFolder, m.series, m.name)
	key := digest(r.tests, m.series, m.run, m.tests, string(patch), fmt.Sprint(r.all))
	if caught, ok := remembered(dir, key); ok {
		res.caught = caught
		return res
	}
	var rep report
	for _, way := range r.ways(m) {
		var err error
		if rep, err = r.boot(ctx, m, dir, patch, way); err != nil {
			res.wrong = "has no verdict: " + err.Error()
			return res
		}
		if res.caught = rep.noticed(); len(res.caught) > 0 || rep.Verdict == "build" {
			break
		}
	}
	res.wrong = m.judge(rep, res.caught)
	if res.wrong == "" {
		if err := remember(dir, key, res.caught); err != nil {
			res.wrong = "cannot be remembered: " + err.Error()
		}
	}
	return res
}

// ways are flags for runs of a mutant, in order, until one is noticed.
func (r runner) ways(m mutant) [][]string {
	ways := [][]string{allTests}
	likely := append([]string{"-run", m.run}, someTests...)
	if m.tests != "" {
		ways = append(ways, append([]string{"-tests", m.tests}, allTests...))
		likely = append(likely, "-tests", m.tests)
	}
	if r.all {
		return ways
	}
	return append([][]string{likely}, ways...)
}

// judge returns what is wrong with a mutant, given its last run.
func (m mutant) judge(rep report, caught []string) string {
	switch {
	case rep.Verdict == "build":
		return "does not build: " + rep.headline()
	case len(caught) > 0 && m.equivalent != "":
		return "is not equivalent, it is caught by " + shortened(caught, 3)
	case len(caught) > 0:
		return ""
	case rep.Verdict == "pass" && m.equivalent != "":
		return ""
	case rep.Verdict == "pass":
		return "survives"
	}
	return "is named by no test: " + rep.headline()
}

// boot runs some tests on a mutant. Its kernel is of no use to anybody else, so
// the cache does not keep it.
func (r runner) boot(ctx context.Context, m mutant, dir string, patch []byte, flags []string) (report, error) {
	if err := os.RemoveAll(dir); err != nil {
		return report{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return report{}, err
	}
	file := filepath.Join(dir, m.name+".patch")
	if err := os.WriteFile(file, patch, 0o644); err != nil {
		return report{}, err
	}
	return vmtest(ctx, dir, append([]string{"-series", m.series, "-patch", file, "-forget"}, flags...))
}

// vmtest runs "vmtest run" and reads its report. What it prints is kept.
func vmtest(ctx context.Context, dir string, flags []string) (report, error) {
	cmd := exec.CommandContext(ctx, "bin/vmtest", append([]string{"run", "-results", dir}, flags...)...)
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

// answerFile is where a run's folder keeps what came of it, and under which
// circumstances.
const answerFile = "answer.json"

type answer struct {
	Key    string
	Caught []string
}

// remembered is what an earlier run under the same circumstances came to.
func remembered(dir, key string) ([]string, bool) {
	text, err := os.ReadFile(filepath.Join(dir, answerFile))
	if err != nil {
		return nil, false
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || a.Key != key {
		return nil, false
	}
	return a.Caught, true
}

func remember(dir, key string, caught []string) error {
	text, err := json.Marshal(answer{key, caught})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, answerFile), text, 0o644)
}

// digestOf is equal when all files below the folders are. Mutants and canaries
// go into no guest of ours.
func digestOf(folders ...string) (string, error) {
	var parts []string
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
			text, err := os.ReadFile(path)
			parts = append(parts, path, string(text))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return digest(parts...), nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d\n%s\n", len(p), p) // never an error
	}
	return hex.EncodeToString(h.Sum(nil))
}
