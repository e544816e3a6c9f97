// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/selftests"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// prepared has all that a run needs to boot.
type prepared struct {
	tree    kernel.Tree // with the design of its series set
	image   kernel.Image
	archive initramfs.Archive
	qemu    string // version line of QEMU
	planID  string // of the plan in the order of the sources
	key     string // the guest repeats it in its records; see wire.KeyPath
	crowded bool   // the guests of all lanes have more CPUs than the machine
}

// prepare makes the tree, the kernel and the archive. It writes the inputs to the folder of
// the run before it uses them.
func (r *runner) prepare(ctx context.Context, record *verdict.Run) (prepared, error) {
	// The parts run side by side, and the first that fails stops the others. So a
	// test that does not compile stops a kernel build after seconds, not minutes.
	parts, partsCtx := errgroup.WithContext(ctx)
	tree := sync.OnceValues(func() (kernel.Tree, error) { return r.Tree(partsCtx, r.Host) })
	err := vm.Check()
	if err == nil {
		r.Request, err = r.settle(partsCtx, r.Host, tree)
	}
	if err == nil {
		err = r.checkSelftests(partsCtx)
	}
	s := r.Series
	if werr := r.writeInputs(*record); werr != nil {
		return prepared{}, werr
	}
	if err != nil {
		return prepared{}, err
	}
	p := prepared{key: rand.Text()}
	options, err := r.options()
	if err != nil {
		return prepared{}, err
	}
	spec := r.archiveSpec(s.Design, options)
	spec.Key, spec.Files, spec.Flags = p.key, r.selftests(tree), cloneFlags(tree)
	parts.Go(func() (err error) {
		p.qemu, err = vm.Version(partsCtx)
		return err
	})
	parts.Go(func() (err error) {
		p.archive, err = buildArchive(partsCtx, r.Host, spec)
		return err
	})
	parts.Go(func() error { return r.writeLocal(partsCtx, record.Tree) })
	parts.Go(func() error {
		t, err := tree()
		if err != nil {
			return err
		}
		t.Series.Design, t.Series.Expect = s.Design, s.Expect
		p.tree, record.Base, record.Origin = t, t.Base.Version, t.Base.Origin
		p.image, err = kernel.Build(partsCtx, r.Host, r.kernelSpec(t))
		if record.LeftOut = p.image.LeftOut; err != nil {
			return err
		}
		abi := r.compareABI(partsCtx, &p) // it may build the kernel
		record.Release, record.KernelCached, record.KernelStore, record.KernelWarning = p.image.Release, p.image.Cached, p.image.From, p.image.Warnings
		vmlinux, err := os.Stat(p.image.Vmlinux)
		if err != nil {
			return errors.Join(abi, err)
		}
		record.VmlinuxBytes = vmlinux.Size()
		return abi
	})
	if err := parts.Wait(); err != nil {
		return prepared{}, errors.Join(err, wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record))
	}
	if p.archive, err = r.corrected(ctx, p.archive, spec, p.image); err != nil {
		return prepared{}, errors.Join(err, wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record))
	}
	p.planID = p.archive.Plan.ID
	record.Lanes = slices.DeleteFunc(slices.Clone(record.Lanes), func(lane string) bool { return len(p.archive.Plan.In(lane).Tests) == 0 })
	if len(record.Lanes) == 0 {
		return prepared{}, onlyElsewhere(r.Lanes, p.archive.Plan)
	}
	return p, nil
}

// Tree fetches the base and applies the series to it. A series that does not apply is a
// blame.BuildError.
func (r Request) Tree(ctx context.Context, h host.Host) (kernel.Tree, error) {
	base, err := r.Base.Fetch(ctx, h)
	if err != nil {
		return kernel.Tree{}, err
	}
	return kernel.Apply(ctx, h, base, r.Series)
}

func (r *runner) kernelSpec(t kernel.Tree) kernel.Spec {
	return kernel.Spec{
		Tree: t, Config: r.Config, Make: r.Make, Prebuilt: r.Prebuilt, Log: filepath.Join(r.dir, "build.log"), Coverage: r.Coverage, Profile: r.Profile,
		NeedDebug: r.needsDebug(), Share: r.ShareKernel && !r.Forget,
	}
}

// needsDebug reports whether the debug information of the kernel is used whatever comes of the
// run.
func (r Request) needsDebug() bool { return r.Guest.GDB != "" || r.Vmcore != "" || len(r.Trace) > 0 }

// archiveSpec returns the spec of the archive for a design. The binaries of the guest are
// kept in a folder for each checkout and choice of test packages, so that a binary that is
// up to date is not linked again. options are those of the kernel.
func (r *runner) archiveSpec(design string, options []string) initramfs.Spec {
	tests, only := r.testFolders(design)
	sum := sha256.Sum256([]byte(strings.Join(append([]string{r.Checkout.Root}, tests...), "\n")))
	timeout := r.Timeout
	if checksItself(options) {
		timeout *= wire.CheckedFactor
	}
	return initramfs.Spec{
		Module:  r.Checkout.Root,
		Scratch: filepath.Join(r.Cache.Dir, "guest", hex.EncodeToString(sum[:8])),
		Tests:   tests, Only: only, Design: design, Config: options, Run: r.Match, Without: r.Without, Timeout: timeout,
	}
}

// cloneFlags returns a function that reads the flags of clone3() from the headers of a tree.
func cloneFlags(tree func() (kernel.Tree, error)) initramfs.FlagsFunc {
	return func(context.Context) (uint64, error) {
		t, err := tree()
		if err != nil {
			return 0, err
		}
		return t.CloneFlags()
	}
}

// checkSelftests returns an error if the tree's own selftests are to be built, and the host lacks
// what that needs.
func (r *runner) checkSelftests(ctx context.Context) error {
	options, err := r.options()
	if err != nil {
		return err
	}
	plan, err := r.archiveSpec(r.Series.Design, options).Plan()
	if err != nil || !runsSelftests(plan) {
		return nil // buildArchive says what is wrong with the plan
	}
	return selftests.Check(ctx)
}

// runsSelftests reports whether a test of the plan runs the tree's own selftests.
func runsSelftests(plan wire.Plan) bool {
	return slices.ContainsFunc(plan.Tests, func(t wire.Test) bool { return strings.TrimSuffix(t.Package, wire.I386) == wire.Kselftest })
}

// selftests returns a function that builds the tree's own selftests, and names them by their
// paths in the archive. It builds none if no test of the plan runs them.
func (r *runner) selftests(tree func() (kernel.Tree, error)) initramfs.FilesFunc {
	return func(ctx context.Context, plan wire.Plan) (map[string]string, error) {
		if !runsSelftests(plan) {
			return nil, nil
		}
		t, err := tree()
		if err != nil {
			return nil, err
		}
		programs, err := selftests.Build(ctx, r.Host, t, wire.KselftestSuites)
		files := make(map[string]string)
		for name, path := range programs {
			files[filepath.Join(wire.KselftestDir, name)] = path
		}
		return files, err
	}
}

// Archive builds the initramfs for a design, without the kernel's own selftests. It is for
// the user to look at, and is not booted. If config is zero, tests that need an option of
// the configuration are left out.
func (r Request) Archive(ctx context.Context, h host.Host, design string, config kconfig.Config) (initramfs.Archive, error) {
	one := runner{Host: h, Request: r}
	return buildArchive(ctx, h, one.archiveSpec(design, config.Lines()))
}

// buildArchive builds an initramfs. It waits while another process builds one in the same
// folder.
func buildArchive(ctx context.Context, h host.Host, s initramfs.Spec) (initramfs.Archive, error) {
	key := filepath.Base(s.Scratch)
	unlock, err := h.Lock(ctx, "guest-"+key, "the guest's programs")
	if err != nil {
		return initramfs.Archive{}, err
	}
	defer unlock()
	archive, err := initramfs.Build(ctx, s)
	return archive, errors.Join(err, h.Cache.Wrote(cache.Guest, key, "for the tests of "+s.Module))
}

// describe reports the kernel of the run.
func (r *runner) describe(image kernel.Image) { Describe(r.Report, image) }

// Describe reports a kernel, whether it was built or cached or came from a store, and the first three warnings
// that the compiler printed.
func Describe(to host.Reporter, image kernel.Image) {
	how := "built"
	switch {
	case image.Fetched:
		how = "from " + image.From
	case image.From != "":
		how = "cached, from " + image.From
	case image.Cached:
		how = "cached"
	}
	to.Step("kernel %s, build ID %.12s (%s)", image.Release, image.BuildID, how)
	for i, w := range image.Warnings {
		if i == 3 {
			to.Step("... and %d more compiler warnings in build.log", len(image.Warnings)-i)
			break
		}
		to.Step("compiler warning: %s", w)
	}
}

// Settle returns the request with the design of its series set, and with the expectations
// for that design. If neither the request nor the series names a design, Settle makes the
// tree and reads the design from its headers. A settled request is returned as it is.
func (r Request) Settle(ctx context.Context, h host.Host) (Request, error) {
	return r.settle(ctx, h, func() (kernel.Tree, error) { return r.Tree(ctx, h) })
}

// settle does what Settle does. It calls tree only if it needs the tree.
func (r Request) settle(ctx context.Context, h host.Host, tree func() (kernel.Tree, error)) (Request, error) {
	if r.settled {
		return r, nil
	}
	design := cmp.Or(r.Design, r.Series.Design)
	if design == "" {
		t, err := tree()
		if err != nil {
			return r, err
		}
		if design, err = designOf(ctx, h, t); err != nil {
			return r, err
		}
	}
	s, err := r.withDesign(ctx, h, design)
	if err != nil {
		return r, err
	}
	r.Series, r.settled = s, true
	return r, nil
}
