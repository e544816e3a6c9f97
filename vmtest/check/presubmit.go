// SPDX-License-Identifier: BSD-3-Clause

package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/worker"
)

// Presubmit checks a series and runs all its tests, and judges the evidence. It makes the
// folder dir for the evidence. It stops at the first patch with a fault, unless KeepGoing
// is set. An error means that there is nothing to judge.
func (c Checker) Presubmit(ctx context.Context, s series.Series, dir string, commands [][]string) (several.Submission, error) {
	one, err := c.of(s, dir)
	if err != nil {
		return several.Submission{}, err
	}
	if err := one.begin(true); err != nil {
		return several.Submission{}, err
	}
	if err := one.trouble(ctx, one.presubmit(ctx, commands)); err != nil {
		return several.Submission{}, err
	}
	e, err := several.LoadSubmission(run.ShortPath(dir))
	return several.JudgeSubmission(e), err
}

// presubmit writes the evidence of a presubmit: first what is known about the series, then
// the answers of the check, then the runs of the whole series.
func (c *checking) presubmit(ctx context.Context, commands [][]string) error {
	facts := several.Presubmit{Schema: several.CheckSchema, Origin: c.base.Origin, Countless: !c.series.Countable(), Commands: commands}
	var err error
	if facts.Toolchain, err = kbuild.Tools(ctx, c.Request.Make); err != nil {
		return err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return err
	}
	facts.Toolchain = append(facts.Toolchain, qemu)
	recipients, err := RecipientsOf(ctx, c.Host, c.base, c.series)
	if err != nil {
		return err
	}
	facts.Maintainers = recipients.All()
	if err := c.evidence.write(several.PresubmitFile, facts); err != nil {
		return err
	}
	if err := c.ask(ctx); err != nil {
		return err
	}
	e, err := several.LoadCheck(c.dir)
	if err != nil {
		return err
	}
	checked := several.JudgeCheck(e)
	if checked.Trouble != nil {
		return nil // the answers have the reason
	}
	if checked.Whole() {
		if facts.ABI, err = c.whole(ctx); err != nil {
			return err
		}
	}
	facts.Done, facts.TookS = true, c.evidence.after()
	return c.evidence.write(several.PresubmitFile, facts)
}

// whole runs all tests without and with the series, and on a kernel that counts lines. It
// returns what changes for user space.
func (c *checking) whole(ctx context.Context) ([]string, error) {
	compared := filepath.Join(c.dir, several.ComparedDir)
	one := func(name, says, dir string, do func(context.Context, host.Host) error) worker.Item {
		return worker.Item{Name: c.series.Name + " " + name, MemoryMB: c.memory(step{Step: several.Step{Boots: true}}), Run: func(ctx context.Context, share worker.Share) error {
			c.Report.Step("%s: %s", c.series.Name, says)
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			return do(ctx, share.Of(c.Host))
		}}
	}
	items := []worker.Item{one("compared", "all tests without and with the series", compared, func(ctx context.Context, h host.Host) error {
		_, err := run.Compare(ctx, h, c.Request, compared, run.Remembered)
		return err
	})}
	if c.series.Countable() {
		req := c.Request
		req.Coverage = true
		counting, err := req.Checkout.Fragment("coverage")
		if err != nil {
			return nil, err
		}
		req.Config = req.Config.Merge(counting)
		counted := filepath.Join(c.dir, several.CoverageDir)
		build, counts := c.counting(req), one("coverage", "all tests on a kernel that counts which changed lines run", counted, func(ctx context.Context, h host.Host) error {
			_, err := run.Remembered(ctx, h, req, counted)
			return err
		})
		counts.After = build.Name
		items = append(items, build, counts)
	}
	for _, err := range worker.InOrder(c.Worker.Work(ctx, items)) {
		if err != nil {
			return nil, err
		}
	}
	return abiChanges(compared, c.series)
}

// counting builds the kernel of a request that counts lines. It has all cores, because what runs beside
// it boots. If the kernel does not build, the run that needs it says why.
func (c *checking) counting(req run.Request) worker.Item {
	return worker.Item{Name: c.series.Name + " kernel that counts", MemoryMB: run.BuildMB(c.UsableCores()), Run: func(ctx context.Context, share worker.Share) error {
		h := share.Of(c.Host)
		h.Cores = c.Host.Cores
		at := to(len(c.series.Patches), c.series)
		at.on = h
		tree, err := c.tree(ctx, at)
		if err != nil {
			return err
		}
		if _, err := kernel.Build(ctx, h, kernel.Spec{Tree: tree, Config: req.Config, Make: req.Make, Coverage: true, Share: req.ShareKernel}); ctx.Err() != nil {
			return err
		}
		return nil
	}}
}

// abiChanges returns what changes for user space: how clone3()'s structures lie in memory,
// and how many lines of the headers changed. dir is the folder of a comparison.
func abiChanges(dir string, s series.Series) ([]string, error) {
	names, err := verdict.LoadPair(dir)
	if err != nil {
		return nil, err
	}
	var abi [2]wire.ABI
	for i, name := range []string{names.Base, names.Series} {
		text, err := os.ReadFile(filepath.Join(dir, name, wire.ABIFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // the run ended earlier, and the comparison says why
		}
		if err == nil {
			err = json.Unmarshal(text, &abi[i])
		}
		if err != nil {
			return nil, err
		}
	}
	lines := abi[1].Since(abi[0])
	for _, change := range s.UAPI() {
		lines = append(lines, fmt.Sprintf("%s: +%d -%d lines", change.Path, change.Added, change.Deleted))
	}
	if lines == nil {
		lines = []string{"nothing changes for user space in structures of clone3() and headers"}
	}
	return lines, nil
}
