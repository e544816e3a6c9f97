// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/symbols"
	"timens-vmtest/vmtest/order"
	"timens-vmtest/vmtest/verdict"
)

// The orders in which the tests of a run may run.
const (
	BySource = "source"  // in the order of their sources
	Likely   = "likely"  // first those that are likely to notice what has changed
	Reached  = "reached" // likewise, but without what is known of tests/mutants
)

// Suspected begins an order in which those tests run first that are likely to notice that some functions are wrong.
// The names of the functions follow, separated by commas.
const Suspected = Likely + "="

// passed is what is kept of a run that has passed.
type passed struct {
	Kernel string `json:"kernel"` // name of its folder in the cache
	Plan   string `json:"plan"`   // ID of its plan, in the order of the sources
	Began  string `json:"began"`  // RFC 3339
	Series string `json:"series"`
}

// arrange puts the tests first that are likely to notice what differs between this kernel
// and the last one that has passed. Without such a kernel, or if something cannot be read,
// they stay as they are: an order is never a reason for a run to fail.
func (r *runner) arrange(p *prepared, record *verdict.Run) {
	if r.Order == "" || r.Order == BySource {
		return
	}
	if names, given := strings.CutPrefix(r.Order, Suspected); given {
		r.sort(p, record, strings.Split(names, ","), verdict.Order{})
		return
	}
	last, old, ok := r.lastPassed(*p)
	if !ok {
		return
	}
	if last.Kernel == entryOf(p.image) {
		r.sayEqual(last, *p, "this is")
		return
	}
	differ, err := symbols.Compare(old, p.image.Vmlinux)
	if err != nil {
		r.unordered(err)
		return
	}
	if differ.Nothing() {
		r.sayEqual(last, *p, "no function and no data differs from")
		return
	}
	r.sort(p, record, changed(differ), verdict.Order{Passed: last.Began, Series: last.Series, Changed: slices.Concat(differ.Functions, differ.Data)})
}

// sort puts the tests first that are likely to notice that something with one of these names is wrong. why is what the
// record says of that.
func (r *runner) sort(p *prepared, record *verdict.Run, names []string, why verdict.Order) {
	known, err := r.knowledge(p.tree)
	if err != nil {
		r.Report.Step("not all that is known of the tests can be read: %v", err)
	}
	tests, first := order.Likely(p.archive.Plan.Tests, names, known)
	if first == 0 {
		return
	}
	archive, err := p.archive.InOrder(tests)
	if err != nil {
		r.unordered(err)
		return
	}
	p.archive = archive
	if why.First = first; why.Passed == "" {
		why.Changed = names
		r.Report.Step("%d of %d tests run first: they are likely to notice what is suspected: %s", first, len(tests), shortened(names, 5))
	} else {
		r.Report.Step("%d of %d tests run first: they are likely to notice what differs from the kernel of %s that passed: %s",
			first, len(tests), why.Series, shortened(why.Changed, 5))
	}
	record.Order = &why
}

// unordered reports why tests run in the order of their sources.
func (r *runner) unordered(err error) {
	r.Report.Step("the tests run in the order of their sources: %v", err)
}

// sayEqual reports that the run will hardly show anything new.
func (r *runner) sayEqual(last passed, p prepared, what string) {
	if last.Plan == p.planID {
		r.Report.Step("there is nothing new to test: %s the kernel of %s that passed these tests in the run of %s", what, last.Series, last.Began)
	}
}

// changed returns the names by which package order knows what differs. The vDSO is data of
// the kernel. What uses data that differs has changed, too.
func changed(d symbols.Difference) []string {
	names := slices.Concat(d.Functions, d.Data, d.Near)
	if slices.ContainsFunc(d.Data, func(name string) bool { return name == "raw_data" || strings.HasPrefix(name, "vdso_image") }) {
		names = append(names, order.VDSO)
	}
	return names
}

// shortened lists at most n names.
func shortened(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// entryOf returns the name of the folder in the cache that has the image.
func entryOf(image kernel.Image) string { return filepath.Base(filepath.Dir(image.Vmlinux)) }

// passedFile returns where the last run of these tests that has passed is kept, for a series
// on the base of a tree.
func (r *runner) passedFile(series string, t kernel.Tree) string {
	match := ""
	if r.Match != nil {
		match = r.Match.String()
	}
	parts := []string{"passed 1", series, cmp.Or(t.Base.Tree, t.Base.Dir), string(r.Config.Bytes()), match, strings.Join(r.Tests, "\n"), strings.Join(r.Lanes, " ")}
	return r.Cache.AnswerFile(cache.Digest(append(parts, r.Make...)...))
}

// lastPassed returns the last run of the series that has passed, or else of control, and the
// path of its kernel. ok is false if there is none whose kernel is still in the cache.
func (r *runner) lastPassed(p prepared) (last passed, vmlinux string, ok bool) {
	for _, series := range []string{r.Series.Name, controlSeries} {
		if readKept(r.passedFile(series, p.tree), &last) != nil {
			continue
		}
		vmlinux = filepath.Join(filepath.Dir(filepath.Dir(p.image.Vmlinux)), filepath.Base(last.Kernel), filepath.Base(p.image.Vmlinux))
		if verdict.Exists(vmlinux) {
			return last, vmlinux, true
		}
	}
	return passed{}, "", false
}

// learn keeps what later runs use to order their tests: that this run has passed. A kernel
// that the run deletes is not kept, nor is one that passed in a guest that is not standard.
func (r *runner) learn(result verdict.Result) {
	if r.Order == "" || r.Guest.Flags() != nil || result.Verdict != verdict.Passed || r.made == nil || r.Forget && !r.made.image.Cached {
		return
	}
	this := passed{entryOf(r.made.image), r.made.planID, result.Run.Began, r.Series.Name}
	if err := cache.WriteJSON(r.passedFile(r.Series.Name, r.made.tree), this); err != nil {
		r.Report.Step("later runs will not know that this one has passed: %v", err)
	}
}

// readKept reads JSON of the cache, and says that it is used.
func readKept(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // if it fails, the file may be removed sooner
	return nil
}

// knowledge returns what is known of the tests. The error says what cannot be read; the rest
// can be used.
func (r *runner) knowledge(t kernel.Tree) (k order.Knowledge, err error) {
	k.Map, err = r.knownMap(t)
	if r.Order != Reached {
		var berr error
		k.Breaks, berr = order.KnownBreaks()
		err = errors.Join(err, berr)
	}
	k.Seconds = make(map[string]float64)
	for _, lane := range r.Lanes {
		seconds, serr := r.seconds(lane)
		err = errors.Join(err, serr)
		for test, s := range seconds { // the lane that is the first to end it shows the failure
			k.Seconds[test] = min(s, cmp.Or(k.Seconds[test], s))
		}
	}
	return k, err
}

func (r *runner) secondsFile(lane string) string { return r.Cache.AnswerFile("seconds 1 " + lane) }

// seconds returns how long tests took in a lane, in seconds of the host.
func (r *runner) seconds(lane string) (map[string]float64, error) {
	kept := make(map[string]float64)
	if err := readKept(r.secondsFile(lane), &kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return kept, nil
}

// learnSeconds keeps how long the tests of a lane took. A test whose time has neither
// doubled nor halved keeps its old one, so that equal runs have equal orders. split says that
// other guests of the lane took from the CPUs meanwhile: then a test keeps whatever is known.
func (r *runner) learnSeconds(lane string, took map[string]float64, split bool) {
	if r.Order == "" || len(took) == 0 {
		return
	}
	kept, err := r.seconds(lane)
	if err != nil {
		kept = make(map[string]float64) // it is damaged
	}
	for test, s := range took {
		if old := kept[test]; old <= 0 || !split && math.Abs(math.Log2(s/old)) >= 1 {
			kept[test] = s
		}
	}
	if err := cache.WriteJSON(r.secondsFile(lane), kept); err != nil {
		r.Report.Step("later runs will not know how long the tests took: %v", err)
	}
}
