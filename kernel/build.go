// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/work"
)

// typicalObjects is how many files a first build of the default configuration
// compiles; later builds remember their own figure.
const typicalObjects = 700

// Build makes the kernel, or takes it from the cache when everything that it
// is made of is the same. A checkout that changes while it is copied is surveyed
// again, so that what was copied is what the kernel is known by. If s.Prebuilt is set, Build
// takes the kernel from there.
func Build(ctx context.Context, h host.Host, s Spec) (Image, error) {
	if s.Prebuilt != "" {
		defined, err := kconfig.Defined(s.Tree.Read)
		if err != nil {
			return Image{}, err
		}
		left := s.sayLeftOut(h.Report, defined)
		image, err := s.take(ctx, h, defined)
		image.LeftOut = left
		return image, err
	}
	for try := 1; ; try++ {
		image, err := s.buildOnce(ctx, h)
		changed, moved := errors.AsType[*source.ChangedError](err)
		if !moved || s.Tree.files == nil || try == source.Patience {
			return image, err
		}
		changed.Say(h.Report)
		base := s.Tree.Base
		base.ID = ""
		if s.Tree.Base, s.Tree.files, err = base.Identified(ctx, h.Cache, nil); err != nil {
			return Image{}, err
		}
	}
}

func (s Spec) buildOnce(ctx context.Context, h host.Host) (Image, error) {
	b, err := s.begin(ctx, h)
	if err != nil {
		return Image{}, err
	}
	defined, err := b.defined()
	if err != nil {
		return Image{}, err
	}
	left := s.sayLeftOut(h.Report, defined) // of a kernel in the cache, too
	image, err := b.getOrMake(ctx)
	if err == nil {
		var dotconfig []byte
		dotconfig, err = os.ReadFile(image.Config)
		left = append(left, s.sayReplaced(h.Report, dotconfig)...)
	}
	image.LeftOut = left
	return image, err
}

// getOrMake takes the kernel from the cache or the store, or builds it.
func (b *build) getOrMake(ctx context.Context) (Image, error) {
	s, h, key := b.Spec, b.Host, b.key()
	unlock, err := h.Lock(ctx, "kernel-"+key, "this kernel")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	entry := b.entry()
	image, ok, err := b.kept(ctx, entry)
	if err != nil {
		return Image{}, err
	}
	if ok {
		return image, errors.Join(b.used(key), s.saveLog(filepath.Join(entry, "build.log")))
	}
	files, err := s.Tree.survey(ctx)
	if err != nil {
		return Image{}, err
	}
	leave, err := b.Enter(ctx)
	if err != nil {
		return Image{}, err
	}
	defer leave()
	if s.Tree.Base.Private {
		if err := b.VerifyBase(files); err != nil {
			return Image{}, err
		}
	}
	err = b.make(ctx, files)
	if err == nil {
		err = b.store(ctx, entry)
	}
	if err := errors.Join(err, s.saveLog(b.log())); err != nil {
		return Image{}, err
	}
	if err := errors.Join(b.Cache.Wrote(cache.Kernel, key, b.About), b.used(key)); err != nil {
		return Image{}, err
	}
	if image, err = Open(entry); err == nil {
		image.shared = b.share(ctx, entry)
	}
	return image, err
}

// kept returns the kernel that the cache has, or that the store has. It returns false if the
// kernel is to be built.
func (b *build) kept(ctx context.Context, entry string) (Image, bool, error) {
	image, err := Open(entry)
	switch {
	case err == nil:
		image.Cached = true
		if !b.NeedDebug {
			return image, true, nil
		}
		derr := image.fetchDebug(ctx, b.Host)
		if derr == nil || ctx.Err() != nil {
			return image, true, ctx.Err()
		}
		b.Report.Step("the kernel is built here for its debug information: %v", derr)
		return Image{}, false, nil // others may use the entry until the new one is there
	case !errors.Is(err, fs.ErrNotExist):
		b.Report.Step("the cached kernel is damaged and is built again: %v", err)
		if err := os.RemoveAll(entry); err != nil {
			return Image{}, false, err
		}
	}
	return b.fetch(ctx, entry)
}

// used says that a kernel is used, and with it the folder that it was built in.
func (b *build) used(key string) error {
	return errors.Join(b.Cache.Use(cache.Kernel, key, b.About), b.Used())
}

func (s Spec) saveLog(from string) error {
	if s.Log == "" {
		return nil
	}
	text, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it ended before make began
	}
	if err != nil {
		return err
	}
	return os.WriteFile(s.Log, text, 0o644)
}

// build is one build under way.
type build struct {
	Spec
	work.Folder
	tools     kbuild.Toolchain
	toolchain string
	profiled  []string                        // sources whose objects are to count
	defined   func() (map[string]bool, error) // see symbols
	printed   kbuild.Log
}

// key names the kernel in the cache. Code of others that runs in its work folder can leave there what
// spoils a later build. So a kernel from such a folder is for the series of this folder alone.
func (b *build) key() string {
	if foreign := b.foreign(); foreign != "" {
		return cache.Digest(b.Makes.Inputs, foreign)[:32]
	}
	return b.Makes.Inputs[:32]
}

// entry is the folder of the kernel in the cache.
func (b *build) entry() string { return filepath.Join(b.Cache.Dir, string(cache.Kernel), b.key()) }

func (b *build) log() string { return filepath.Join(b.Dir, "make.log") }

func (b *build) make(ctx context.Context, files source.Manifest) error {
	if err := b.ClearCompiled(); err != nil {
		return err
	}
	if err := b.prepare(ctx, files); err != nil {
		return err
	}
	return b.compile(ctx)
}

// prepare leaves the patched tree and its .config in the work folder.
func (b *build) prepare(ctx context.Context, files source.Manifest) error {
	if err := b.Ready(); err != nil {
		return err
	}
	if err := os.Remove(b.log()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := b.Tree.materialise(files, b.Dir, b.Report); err != nil {
		return err
	}
	return b.configureOnce(ctx, files)
}

// compile builds vmlinux and reports every object.
func (b *build) compile(ctx context.Context) error {
	memory := filepath.Join(b.Dir, "objects")
	total, first := typicalObjects, true
	if _, err := os.Stat(filepath.Join(b.Out(), "vmlinux")); err == nil {
		total, first = 0, false // make alone knows how much is left to do
	}
	b.Report.Step("build linux-%s with %s on %d cores", b.Tree.Base.Version, b.Tree.Series.Name, b.UsableCores())
	var last int
	if text, err := os.ReadFile(memory); err == nil && first {
		if _, err := fmt.Sscan(string(text), &last); err == nil {
			total = last
		}
	}
	count := kbuild.ObjectCounter{Total: total, Report: b.Report, Out: b.Out() + "/"}
	if err := errors.Join(b.rememberLinked(ctx), b.ForgetLeftOut()); err != nil {
		return err
	}
	err := b.runMake(ctx, &count, "vmlinux")
	if werr := b.RememberWarned(kbuild.WarnedObjects(b.printed.Text)); werr != nil {
		return werr
	}
	if err != nil {
		return b.failed(ctx, "build", err)
	}
	if err := b.forgetUnlinked(ctx); err != nil {
		return err
	}
	if err := b.SetCompiled(); err != nil {
		return err
	}
	b.Report.Count("objects", count.Done, count.Done, "vmlinux")
	if !first {
		return nil
	}
	return os.WriteFile(memory, fmt.Appendln(nil, count.Done), 0o644)
}

// runMake appends make's output to the log and copies it to watch.
func (b *build) runMake(ctx context.Context, watch io.Writer, targets ...string) error {
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// Debug information names files as the kernel's own tree does, wherever the
	// build was: the build ID covers it.
	names := fmt.Sprintf("-ffile-prefix-map=%s/= -ffile-prefix-map=%s=.", b.Seen(b.Src()), b.Seen(b.Out()))
	args := slices.Concat([]string{"O=" + b.Seen(b.Out()), fmt.Sprintf("-j%d", b.UsableCores())},
		b.Make.Args(names), b.Make.DebugArgs(b.Tree.sources()), kbuild.ProfileArgs(b.profiled), targets)
	at := b.InSandbox(kbuild.Env)
	at.Programs = b.tools.Programs
	if b.tools.Ccache() {
		done, err := b.withCcache(ctx, &at)
		if err != nil {
			return errors.Join(err, log.Close())
		}
		defer done()
	}
	cmd, release, err := b.Sandbox.Command(ctx, at, "make", args...)
	if err != nil {
		return errors.Join(err, log.Close())
	}
	fmt.Fprintf(log, "$ %s make %s\n", strings.Join(at.Env, " "), strings.Join(args, " "))
	b.printed.File = log
	both := &work.Unseen{Folder: b.Folder, To: io.MultiWriter(&b.printed, watch)}
	cmd.Stdout, cmd.Stderr = both, both
	if err = b.MakeBegins(); err == nil {
		err = cmd.Run()
		// Who is told to end by ctx has had its time to delete what is half written.
		if s := cmd.ProcessState; ctx.Err() != nil || s == nil || sandbox.EndedBy(s) != syscall.SIGKILL {
			err = errors.Join(err, b.MakeEnds())
		}
	}
	return errors.Join(err, both.Flush(), b.printed.Err, release(), log.Close())
}

// failed makes a BuildError of make's, with the first error that it printed.
func (b *build) failed(ctx context.Context, stage string, err error) error {
	log := b.printed.Text
	if fault := sandbox.HostFault(ctx, stage, err, log, b.Out()); fault != nil {
		return fault
	}
	fault := &blame.BuildError{Stage: stage, Err: err, Shown: kbuild.FirstError(log, b.Src()), Log: b.Log}
	if fault.Log == "" {
		fault.Log = b.log()
	}
	return fault
}
