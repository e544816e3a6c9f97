// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/shell"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/verdict"
)

// RequestFile has, in the folder of a run, what is needed to boot the same guest again.
const RequestFile = "request.json"

// storedRequest is the content of RequestFile. The patches are in the folder patches.
type storedRequest struct {
	Request Request
	Series  storedSeries
	Without []wire.TestID `json:",omitempty"` // the tests that Request.Without leaves out
	Order   []wire.TestID `json:",omitempty"` // of the tests of the plan; nil: the order of their sources

	Shards map[string]wire.Shards `json:",omitempty"` // of the plan
}

// storedSeries has the members of a series that its patches do not say.
type storedSeries struct {
	Name    string
	Variant string `json:",omitempty"`
	InTree  bool   `json:",omitempty"`
	Foreign string `json:",omitempty"`
}

// store writes RequestFile. The plan is that of the run; ordered says that it is not in the order
// of the sources.
func (r *runner) store(plan wire.Plan, ordered bool) error {
	s := storedRequest{Request: r.Request, Series: storedSeries{r.Series.Name, r.Series.Variant, r.Series.InTree, r.Series.Foreign}, Shards: plan.Shards}
	if r.Base.Tree != "" {
		var err error
		if s.Request.Base.Tree, err = filepath.Abs(r.Base.Tree); err != nil {
			return err
		}
	}
	for _, id := range plan.Filtered {
		if r.Without != nil && r.Without(id) {
			s.Without = append(s.Without, id)
		}
	}
	if ordered {
		for _, t := range plan.Tests {
			s.Order = append(s.Order, t.TestID)
		}
	}
	return wire.WriteJSON(filepath.Join(r.dir, RequestFile), s)
}

// storeAdded writes which lines the series has added, so that the judge can name those that are
// near a splat.
func (r *runner) storeAdded(ctx context.Context, t kernel.Tree) error {
	if len(t.Series.Patches) == 0 {
		return nil
	}
	lines, err := t.Added(ctx)
	if err != nil {
		return err
	}
	all := []verdict.Added{}
	for _, l := range lines {
		all = append(all, verdict.Added{Path: l.Path, N: l.N, Text: l.Text, Patch: l.Patch, Subject: l.Subject})
	}
	return wire.WriteJSON(filepath.Join(r.dir, verdict.AddedFile), all)
}

// storedRun is a run that was stored in a folder.
type storedRun struct {
	dir      string
	evidence verdict.Evidence
	result   verdict.Result
	request  Request
	order    []wire.TestID // see storedRequest
	shards   map[string]wire.Shards
}

// loadRun reads the folder of a run. If the folder has no guest that could boot again, the error
// is a blame.UsageError.
func loadRun(ctx context.Context, h host.Host, checkout Checkout, dir string) (storedRun, error) {
	s := storedRun{dir: dir}
	var err error
	if s.evidence, err = verdict.Load(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return s, &blame.UsageError{Err: err}
		}
		return s, err
	}
	if s.evidence.Run == nil {
		return s, blame.Usagef("%s is not the folder of a run: it has no %s; give one such as results/latest, or of several series the folder of one", dir, verdict.RunFile)
	}
	s.result = verdict.Judge(s.evidence)
	again := shell.Quote(s.evidence.Run.Command...)
	if !slices.ContainsFunc(s.evidence.Lanes, func(l verdict.LaneEvidence) bool { return firstBoot(l) != nil }) {
		return s, blame.Usagef("the run in %s ended before a guest was booted, so there is none to debug; mend what its report says, and run it again: %s", dir, again)
	}
	var kept *storedRequest
	if err := verdict.LoadJSON(filepath.Join(dir, RequestFile), &kept); err != nil {
		return s, err
	}
	if kept == nil {
		return s, blame.Usagef("%s has no %s: an older vmtest left it; run it again: %s", dir, RequestFile, again)
	}
	s.request, s.order, s.shards = kept.Request, kept.Order, kept.Shards
	s.request.Checkout = checkout
	s.request.Series, err = loadSeries(ctx, h, dir, kept.Series)
	if kept.Without != nil {
		s.request.Without = func(id wire.TestID) bool { return slices.Contains(kept.Without, id) }
	}
	s.request.settled = true
	s.request.Allow = s.evidence.Allow
	return s, err
}

// loadSeries reads the series as the run kept it.
func loadSeries(ctx context.Context, h host.Host, dir string, kept storedSeries) (series.Series, error) {
	folder, err := filepath.Abs(filepath.Join(dir, "patches"))
	if err != nil {
		return series.Series{}, err
	}
	s, err := series.Load(ctx, h.Sandbox, "", folder)
	if err != nil {
		return s, err
	}
	s.Name, s.Variant, s.InTree, s.Foreign = kept.Name, kept.Variant, kept.InTree, kept.Foreign
	if s.Expect, err = os.ReadFile(filepath.Join(dir, verdict.ExpectFile)); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}

// lane returns the evidence of a lane that has booted a guest.
func (s storedRun) lane(name string) (verdict.LaneEvidence, bool) {
	i := slices.IndexFunc(s.evidence.Lanes, func(l verdict.LaneEvidence) bool { return l.Lane == name && firstBoot(l) != nil })
	if i < 0 {
		return verdict.LaneEvidence{}, false
	}
	return s.evidence.Lanes[i], true
}

// firstBoot returns the first boot of a lane, or that of the first shard that has one. It returns
// nil if no guest was booted.
func firstBoot(l verdict.LaneEvidence) *wire.Boot {
	if l.Planned() == nil {
		return nil
	}
	for n := min(1, len(l.Shards)); n <= len(l.Planned().Shards[l.Lane]); n++ {
		if boots := l.BootsOf(n); len(boots) > 0 && boots[0].Boot != nil {
			return boots[0].Boot
		}
	}
	return nil
}

// arranged returns an archive with its tests in the order and in the shards in which the run
// had them.
func (s storedRun) arranged(a initramfs.Archive) (initramfs.Archive, error) {
	a, err := s.inOrder(a)
	if err != nil || s.shards == nil {
		return a, err
	}
	return a.InShards(s.shards)
}

// inOrder returns an archive with its tests in the order in which the run had them.
func (s storedRun) inOrder(a initramfs.Archive) (initramfs.Archive, error) {
	if s.order == nil {
		return a, nil
	}
	var tests []wire.Test
	for _, id := range s.order {
		if i := slices.IndexFunc(a.Plan.Tests, func(t wire.Test) bool { return t.TestID == id }); i >= 0 {
			tests = append(tests, a.Plan.Tests[i])
		}
	}
	return a.InOrder(tests)
}

// carried returns the files that the tests of a guest have left for a later one.
func carried(boots []verdict.BootEvidence) wire.Carried {
	left := make(wire.Carried)
	for _, b := range boots {
		for line := range bytes.Lines(b.Records) {
			r, err := wire.ParseRecord(bytes.TrimSpace(line))
			if err == nil && r.Type == wire.TypeLeft && b.Boot != nil && r.Key == b.Boot.Key {
				_ = left.Add(r) // the judge reports a file that is left twice
			}
		}
	}
	return left
}

// differs returns the error that a stored run cannot be made again.
func (s storedRun) differs(what, was, is string) error {
	return fmt.Errorf("%s of %s cannot be made again: it was %.12s, and what is there now makes %.12s; run it again, and debug that run: %s",
		what, ShortPath(s.dir), was, is, shell.Quote(s.evidence.Run.Command...))
}
