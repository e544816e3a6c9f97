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

	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// Presubmit finds out all there is to say of a series. It ends at the first patch
// that is at fault, unless it is to go on.
func (c Checker) Presubmit(ctx context.Context, s patch.Series, dir string) (verdict.Submission, error) {
	sub := verdict.Submission{Series: s.Name, Base: c.base.Version, Origin: c.base.Origin, Countless: !s.Countable()}
	one, err := c.of(ctx, s, dir)
	if err != nil {
		return sub, err
	}
	sub.Local = s.Patches[len(s.Patches)-1].Local
	if sub.Toolchain, err = kernel.Tools(ctx); err != nil {
		return sub, err
	}
	qemu, err := vm.Version(ctx)
	if err != nil {
		return sub, err
	}
	sub.Toolchain = append(sub.Toolchain, qemu)
	if sub.Maintainers, err = maintainers(ctx, c.Host, c.base, s); err != nil {
		return sub, err
	}
	if sub.Matrix, err = one.fill(ctx); err != nil {
		return sub, err
	}
	if sub.Whole = c.KeepGoing || sub.Matrix.Verdict() == verdict.Passed; !sub.Whole {
		return sub, nil
	}
	return sub, one.whole(ctx, &sub)
}

// whole asks what only the series as a whole can answer.
func (c *checking) whole(ctx context.Context, sub *verdict.Submission) error {
	req := c.Request
	req.Series = c.series
	c.Report.Step("%s: all tests without and with the series", c.series.Name)
	compared := filepath.Join(c.dir, "compared")
	err := os.Mkdir(compared, 0o755)
	if err != nil {
		return err
	}
	if sub.Tests, err = run.Compare(ctx, c.Host, req, compared, run.Remembered); err != nil {
		return err
	}
	if sub.ABI, err = abiChanges(compared, c.series); err != nil || sub.Countless {
		return err
	}
	c.Report.Step("%s: all tests on a kernel that counts which changed lines run", c.series.Name)
	req.Coverage = true
	counting, err := req.Checkout.Fragment("coverage")
	if err != nil {
		return err
	}
	req.Config = req.Config.Merge(counting)
	counted := filepath.Join(c.dir, "coverage")
	if err := os.Mkdir(counted, 0o755); err != nil {
		return err
	}
	sub.Coverage, err = run.Remembered(ctx, c.Host, req, counted)
	return err
}

// abiChanges says what user space sees of a series that was compared in dir: how
// clone3()'s structures lie in memory, and how much of the headers changed.
func abiChanges(dir string, s patch.Series) ([]string, error) {
	names, err := run.LoadPair(dir)
	if err != nil {
		return nil, err
	}
	var abi [2]wire.ABI
	for i, name := range []string{names.Base, names.Series} {
		text, err := os.ReadFile(filepath.Join(dir, name, wire.ABIFile))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // it did not come to that, and the comparison says why
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
