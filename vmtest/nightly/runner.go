// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/culprit"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/worker"
)

// Machine is the Runner that builds and boots on this machine. All members but Make have to be
// set.
type Machine struct {
	Host    host.Host
	Root    string                                           // of the checkout of this project
	Request func(context.Context, Cell) (run.Request, error) // the request of a cell as it is tonight
	Make    kbuild.MakeVars                                  // of all kernels
	Flags   func(Cell) []string                              // the flags of "vmtest run" for a cell
}

// ownProgram is the first word of a command that is this program.
const ownProgram = "bin/vmtest"

// FolderWord is the word of a command that stands for the folder of the cell's evidence.
const FolderWord = "{}"

// roomNeeded is how many bytes have to be free for a run to be able to leave its evidence.
const roomNeeded = 50 << 20

// Run runs a cell on a part of the machine, with what the attempt puts in the place of tonight's
// inputs. The CPU time of a cell beside others is not known.
func (m Machine) Run(ctx context.Context, cell Cell, a culprit.Attempt, share worker.Share, dir string) (history.Cell, error) {
	before := cpu()
	m.Host = share.Of(m.Host)
	c, err := m.run(ctx, cell, a, dir)
	if !share.Beside {
		c.CPUS = cpu() - before
	}
	if err != nil || c.Stage != history.StageNone {
		return c, err
	}
	for _, place := range []string{dir, m.Host.Cache.Dir, os.TempDir()} {
		var free syscall.Statfs_t
		if err := syscall.Statfs(place, &free); err == nil && int64(free.Bavail)*free.Bsize < roomNeeded {
			return c, fmt.Errorf("%s: %w", place, syscall.ENOSPC)
		}
	}
	return c, nil
}

// cpu returns the CPU seconds of all children that have ended.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0 // it is for a table only
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func (m Machine) run(ctx context.Context, cell Cell, a culprit.Attempt, dir string) (history.Cell, error) {
	switch {
	case a.Project != "":
		return m.older(ctx, cell, a, dir)
	case cell.Command != nil:
		return m.command(ctx, m.Root, cell.Command, dir)
	}
	req, err := m.request(ctx, cell, a)
	if err != nil {
		return history.Cell{}, err
	}
	if _, err := run.Judge(ctx, m.Host, req, dir); err != nil {
		return history.Cell{}, err
	}
	c, err := m.read(ctx, m.Root, dir)
	c.Inputs.Foreign = req.Series.Foreign != ""
	return c, err
}

// request returns the request of a cell with the inputs of an attempt. What an earlier night has
// kept is not in the checkout, so its kernel is not for the store.
func (m Machine) request(ctx context.Context, cell Cell, a culprit.Attempt) (run.Request, error) {
	req, err := m.Request(ctx, cell)
	if err != nil {
		return req, err
	}
	req.Command = append([]string{ownProgram, "run"}, m.Flags(cell)...)
	if a.Tests != nil {
		if req.Match, err = regexp.Compile(run.Only(a.Tests)); err != nil {
			return req, err
		}
	}
	switch {
	case a.Tree != "":
		req.Base, req.Forget = source.Spec{Tree: a.Tree}, true
	case a.Commit != "":
		req.Base.Commit = a.Commit
	case a.Package != "":
		if req.Base, err = source.Named(packageBase(a.Package)); err != nil {
			return req, err
		}
	}
	req.ShareKernel = req.ShareKernel && !a.Replace && a.Config == ""
	if a.Replace {
		if req.Series.Patches, err = m.patches(ctx, a.Patches); err != nil {
			return req, err
		}
	}
	if a.Config != "" {
		req.Config, err = kconfig.Load(a.Config)
	}
	return req, err
}

// packageBase returns the name of the base that is a Debian package of a version.
func packageBase(pkg string) string {
	return "debian:" + strings.NewReplacer(" ", "=", "%3a", ":").Replace(pkg) // apt writes a colon so
}

// patches loads patches that an earlier night has kept.
func (m Machine) patches(ctx context.Context, kept []culprit.Patch) ([]patch.Patch, error) {
	dir, err := os.MkdirTemp("", "vmtest-nightly-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var all []patch.Patch
	for _, p := range kept {
		path := filepath.Join(dir, p.Name)
		if err := cache.CopyFile(p.Path, path); err != nil {
			return nil, err
		}
		some, err := patch.Load(ctx, m.Host.Sandbox, path)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// older runs a cell with the program and the tests of another checkout of this project. One that
// does not build has no verdict.
func (m Machine) older(ctx context.Context, cell Cell, a culprit.Attempt, dir string) (history.Cell, error) {
	none := history.Cell{Stage: history.StageNone, Verdict: verdict.Unjudged.String()}
	err := m.execute(ctx, a.Project, []string{"go", "build", "-o", ownProgram, "./vmtest"}, filepath.Join(dir, "build.txt"))
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	if err != nil {
		none.Trouble = lastLine(filepath.Join(dir, "build.txt"))
		return none, nil
	}
	if cell.Command != nil {
		return m.command(ctx, a.Project, cell.Command, dir)
	}
	if a.Replace || a.Config != "" || a.Commit != "" {
		return none, errors.New("tests of another commit run only on tonight's kernel, which is no more that of the first bad night")
	}
	if a.Package != "" {
		cell.Base = packageBase(a.Package)
	}
	args := append([]string{ownProgram, "run", "-results", dir}, m.Flags(cell)...)
	if a.Tests != nil {
		args = culprit.WithRun(args, run.Only(a.Tests))
	}
	if _, err := m.command(ctx, a.Project, args, dir); err != nil {
		return none, err
	}
	latest, err := filepath.EvalSymlinks(filepath.Join(dir, "latest"))
	if err != nil { // it refused the flags, which it may not have had then
		return none, nil
	}
	return m.read(ctx, a.Project, latest)
}

// read judges the folder of a run, and returns what the history keeps of it.
func (m Machine) read(ctx context.Context, root, dir string) (history.Cell, error) {
	c, err := evidence(dir)
	if err != nil {
		return c, err
	}
	return c, m.inputs(ctx, root, dir, &c)
}

// evidence judges the folder of a run, and returns what the folder says of it.
func evidence(dir string) (history.Cell, error) {
	e, err := verdict.Load(dir)
	if err != nil {
		return history.Cell{}, err
	}
	r := verdict.Judge(e)
	c := history.Of(r)
	c.Exceptions = verdict.Exceptions(e, r)
	c.Inputs.Base = strings.TrimSpace(r.Run.Base + " " + r.Run.Origin)
	if pkg, ok := strings.CutPrefix(r.Run.Origin, "Debian's "); ok {
		c.Inputs.Package = pkg
	}
	if t := r.Run.Tree; t != nil {
		c.Inputs.Tree, c.Inputs.Commit = t.Path, t.Commit
		if t.NotCommitted != "" { // no later night can make it again
			digest, err := cache.HashFile(filepath.Join(dir, t.NotCommitted))
			if err != nil {
				return c, err
			}
			c.Inputs.Base, c.Inputs.Commit = c.Inputs.Base+", "+digest[:12], ""
		}
	}
	for _, l := range e.Lanes {
		if p := l.Planned(); p != nil {
			c.Inputs.Tests = p.ID
		}
	}
	return c, nil
}

// inputs adds what the folder of a run, this machine and the checkout say of the inputs.
func (m Machine) inputs(ctx context.Context, root, dir string, c *history.Cell) error {
	if path := filepath.Join(dir, ConfigFile); verdict.Exists(path) {
		digest, err := cache.HashFile(path)
		if err != nil {
			return err
		}
		c.Inputs.Config = digest
	}
	list, err := os.ReadFile(filepath.Join(dir, PatchesDir, "series"))
	if err == nil {
		for _, name := range strings.Fields(string(list)) {
			digest, err := cache.HashFile(filepath.Join(dir, PatchesDir, name))
			if err != nil {
				return err
			}
			c.Inputs.Patches = append(c.Inputs.Patches, history.Digest{Name: name, SHA256: digest})
		}
	}
	tools, err := kbuild.Tools(ctx, m.Make)
	if err != nil {
		return err
	}
	c.Inputs.Toolchain = strings.Join(append(tools, m.Make...), "; ")
	if c.Inputs.QEMU, err = vm.Version(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return nil // an unpacked release has no commits
	}
	c.Inputs.Project, err = sandbox.GitLine(ctx, root, "rev-parse", "HEAD")
	return err
}
