// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/initramfs"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/selftests"
	"timens-vmtest/vmtest/verdict"
	"timens-vmtest/vmtest/vm"
)

// prepared is what a run boots.
type prepared struct {
	tree    kernel.Tree // its series has a design
	image   kernel.Image
	archive initramfs.Archive
	qemu    string // version line
	key     string // of the guest's records
}

// prepare makes the tree, and from it the kernel and the archive. The inputs are in
// dir before they are used.
func (r *runner) prepare(ctx context.Context, record *verdict.Run) (prepared, error) {
	// Side by side, and what fails stops the rest: a test that does not compile is
	// known in seconds, and ends a build that takes minutes.
	parts, partsCtx := errgroup.WithContext(ctx)
	tree := sync.OnceValues(func() (kernel.Tree, error) { return r.Tree(partsCtx, r.Host) })
	err := vm.Check()
	if err == nil {
		r.Request, err = r.settle(partsCtx, r.Host, tree)
	}
	s := r.Series
	if werr := r.writeInputs(*record); werr != nil {
		return prepared{}, werr
	}
	if err != nil {
		return prepared{}, err
	}
	p := prepared{key: rand.Text()}
	parts.Go(func() (err error) {
		p.qemu, err = vm.Version(partsCtx)
		return err
	})
	parts.Go(func() (err error) {
		spec := r.archiveSpec(s.Design, r.Config)
		spec.Key, spec.Files = p.key, r.selftests(tree)
		p.archive, err = buildArchive(partsCtx, r.Host, spec)
		return err
	})
	parts.Go(func() error {
		t, err := tree()
		if err != nil {
			return err
		}
		t.Series.Design, t.Series.Expect = s.Design, s.Expect
		p.tree, record.Base = t, t.Base.Version
		if p.image, err = kernel.Build(partsCtx, r.Host, r.kernelSpec(t)); err != nil {
			return err
		}
		record.Release, record.KernelCached, record.KernelWarning = p.image.Release, p.image.Cached, p.image.Warnings
		return r.compareABI(partsCtx, p)
	})
	if err := parts.Wait(); err != nil {
		return prepared{}, errors.Join(err, wire.WriteJSON(filepath.Join(r.dir, verdict.RunFile), record))
	}
	record.Lanes = slices.DeleteFunc(slices.Clone(record.Lanes), func(lane string) bool { return len(p.archive.Plan.In(lane).Tests) == 0 })
	if len(record.Lanes) == 0 {
		return prepared{}, fmt.Errorf("%w: lane %s does not run %s; the lane virtual does, or -tests makes it",
			initramfs.ErrEmptyPlan, strings.Join(r.Lanes, ", "), p.archive.Plan.Tests[0])
	}
	return p, nil
}

// Tree fetches the base and applies the series.
func (r Request) Tree(ctx context.Context, h host.Host) (kernel.Tree, error) {
	base, err := r.Base.Fetch(ctx, h)
	if err != nil {
		return kernel.Tree{}, err
	}
	return kernel.Apply(ctx, h, base, r.Series)
}

func (r *runner) kernelSpec(t kernel.Tree) kernel.Spec {
	return kernel.Spec{Tree: t, Config: r.Config, Log: filepath.Join(r.dir, "build.log"), Coverage: r.Coverage}
}

// archiveSpec keeps the guest's binaries per checkout and suites, so that what is
// up to date is not linked again.
func (r *runner) archiveSpec(design string, config kconfig.Config) initramfs.Spec {
	tests, only := r.testFolders(design)
	sum := sha256.Sum256([]byte(strings.Join(append([]string{r.Checkout.Root}, tests...), "\n")))
	timeout := r.Timeout
	var options []string
	for _, o := range config.Options {
		options = append(options, o.String())
		if o.String() == "CONFIG_PROVE_LOCKING=y" {
			timeout *= wire.CheckedFactor
		}
	}
	return initramfs.Spec{
		Module:  r.Checkout.Root,
		Scratch: filepath.Join(r.Cache.Dir, "guest", hex.EncodeToString(sum[:8])),
		Tests:   tests, Only: only, Design: design, Config: options, Run: r.Match, Without: r.Without, Timeout: timeout,
	}
}

// selftests adds the kernel's own selftests, built from the patched tree, to an
// archive whose plan has tests that run them.
func (r *runner) selftests(tree func() (kernel.Tree, error)) initramfs.FilesFunc {
	return func(ctx context.Context, plan wire.Plan) (map[string]string, error) {
		if !slices.ContainsFunc(plan.Tests, func(t wire.Test) bool { return t.Package == wire.Kselftest }) {
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

// Archive builds the initramfs for a design, without the kernel's own selftests:
// an archive to be looked at. With a zero config it has none of the tests that are
// for some kernels only.
func (r Request) Archive(ctx context.Context, h host.Host, design string, config kconfig.Config) (initramfs.Archive, error) {
	one := runner{Host: h, Request: r}
	return buildArchive(ctx, h, one.archiveSpec(design, config))
}

// buildArchive builds an initramfs, one vmtest at a time.
func buildArchive(ctx context.Context, h host.Host, s initramfs.Spec) (initramfs.Archive, error) {
	unlock, err := h.Lock(ctx, "guest-"+filepath.Base(s.Scratch), "the guest's programs")
	if err != nil {
		return initramfs.Archive{}, err
	}
	defer unlock()
	return initramfs.Build(ctx, s)
}

// describe reports what kernel there is.
func (r *runner) describe(image kernel.Image) { Describe(r.Report, image) }

// Describe reports a kernel and the warnings that its compiler printed.
func Describe(to host.Reporter, image kernel.Image) {
	how := "built"
	if image.Cached {
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

// Settle returns the request with the design of its series. A series that does not
// say it has the design whose members clone3() takes by the headers of the tree.
func (r Request) Settle(ctx context.Context, h host.Host) (Request, error) {
	return r.settle(ctx, h, func() (kernel.Tree, error) { return r.Tree(ctx, h) })
}

// settle is Settle of a request whose tree may have been made.
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
	s, err := r.withDesign(ctx, design)
	if err != nil {
		return r, err
	}
	r.Series, r.settled = s, true
	return r, nil
}
