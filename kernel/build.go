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
	"runtime"
	"slices"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/source"
)

// Spec is everything that a kernel is made of.
type Spec struct {
	Tree   Tree
	Config kconfig.Config
	Make   MakeVars // variables that the user adds to make's command line
	Log    string   // path that the log of make goes to; empty: kept in the cache only

	// Prebuilt is a folder in which the user has built the kernel of Tree, whose series has
	// no patches. It is empty if Build is to build.
	Prebuilt string

	// Coverage has the sources that the series touches count how often each of
	// their lines runs. Config must have CONFIG_GCOV_KERNEL then.
	Coverage bool
}

// Fixed so that equal inputs make equal kernels, byte for byte.
var buildEnv = []string{
	"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
	"KBUILD_BUILD_USER=vmtest",
	"KBUILD_BUILD_HOST=vmtest",
	"KBUILD_BUILD_VERSION=1",
}

// Tools that Kconfig looks for and writes into the .config although no object
// is built with them. Names that do not exist keep the .config, and with it the
// kernel, the same on machines that have them and machines that do not.
var unusedTools = []string{"RUSTC=no-rustc", "BINDGEN=no-bindgen", "PAHOLE=no-pahole"}

// recipe is raised when this package changes what it makes of equal inputs.
const recipe = "4"

// typicalObjects is how many files a first build of the default configuration
// compiles; later builds remember their own figure.
const typicalObjects = 700

// Build makes the kernel, or takes it from the cache when everything that it
// is made of is the same. A checkout that changes while it is copied is surveyed
// again, so that what was copied is what the kernel is known by. If s.Prebuilt is set, Build
// takes the kernel from there.
func Build(ctx context.Context, h host.Host, s Spec) (Image, error) {
	if s.Prebuilt != "" {
		return s.take(ctx, h)
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
	key := b.inputs[:32]
	unlock, err := h.Lock(ctx, "kernel-"+key, "this kernel")
	if err != nil {
		return Image{}, err
	}
	defer unlock()
	entry := filepath.Join(h.Cache.Dir, "kernel", key)
	image, err := openEntry(entry)
	switch {
	case err == nil:
		image.Cached = true
		return image, errors.Join(b.used(key), s.saveLog(filepath.Join(entry, "build.log")))
	case errors.Is(err, fs.ErrNotExist):
	default:
		h.Report.Step("the cached kernel is damaged and is built again: %v", err)
		if err := os.RemoveAll(entry); err != nil {
			return Image{}, err
		}
	}
	files, err := s.Tree.survey(ctx)
	if err != nil {
		return Image{}, err
	}
	leave, err := b.enter(ctx)
	if err != nil {
		return Image{}, err
	}
	defer leave()
	if s.Tree.Base.Private {
		if err := b.verifyBase(files); err != nil {
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
	if err := b.used(key); err != nil {
		return Image{}, err
	}
	return openEntry(entry)
}

// used says that a kernel is used, and with it the folder that it was built in.
func (b *build) used(key string) error {
	err := b.Cache.Use(cache.Kernel, key, b.about())
	if _, serr := os.Stat(b.dir); serr == nil {
		err = errors.Join(err, b.Cache.Use(cache.Work, b.workKey(), b.about()))
	}
	return errors.Join(err, b.usedBase())
}

// usedBase says that the source is used. That is said last, so that a source does not go
// before what was made of it.
func (b *build) usedBase() error {
	if !b.Tree.Base.Private {
		return nil
	}
	return b.Cache.Use(cache.Source, filepath.Base(b.Tree.Base.Dir), "")
}

// about says for a person what is built.
func (s Spec) about() string {
	var config []string
	for _, o := range s.Config.Options {
		if name := strings.TrimSuffix(filepath.Base(o.File), ".config"); !slices.Contains(config, name) {
			config = append(config, name)
		}
	}
	config = append(config, s.Make...)
	from := ""
	if s.foreign() != "" {
		from = " (from elsewhere)"
	}
	return fmt.Sprintf("%s%s on linux-%s, %s", s.Tree.Series.Name, from, s.Tree.Base.Version, strings.Join(config, "+"))
}

// begin is a build of which nothing is done yet.
func (s Spec) begin(ctx context.Context, h host.Host) (*build, error) {
	toolchain, err := s.Make.Toolchain(ctx)
	if err != nil {
		return nil, err
	}
	b := &build{Spec: s, Host: h, toolchain: toolchain, dir: filepath.Join(h.Cache.Dir, "work", s.workKey())}
	if s.Coverage {
		b.profiled = s.Tree.profilable()
	}
	parts := []string{recipe, s.Tree.Base.ID, s.Tree.over.digest(), string(s.Config.Bytes()), toolchain, strings.Join(buildEnv, "\n")}
	parts = append(parts, profileArgs(b.profiled)...)
	b.inputs = cache.Digest(append(parts, s.Make...)...)
	return b, nil
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

// Tools names what builds and checks kernels, with versions, a line a tool.
func Tools(ctx context.Context, m MakeVars) ([]string, error) {
	var all []string
	for _, tool := range append(m.tools()[:2], "sparse") {
		out, err := sandbox.Run(sandbox.Command(ctx, "", nil, tool, "--version"))
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if tool == "sparse" { // it does not say who it is
			line = "sparse " + line
		}
		all = append(all, line)
	}
	return all, nil
}

// build is one build under way.
type build struct {
	Spec
	host.Host
	toolchain string
	inputs    string   // digest of all that the kernel is made of
	profiled  []string // sources whose objects are to count
	dir       string   // holds src, the patched tree; out, make's O=; and make.log
	src       string
	printed   makeLog
}

func (b *build) out() string { return filepath.Join(b.dir, "out") }

func (b *build) log() string { return filepath.Join(b.dir, "make.log") }

func (b *build) make(ctx context.Context, files source.Manifest) error {
	if err := os.RemoveAll(b.compiled()); err != nil {
		return err
	}
	if err := b.prepare(ctx, files); err != nil {
		return err
	}
	return b.compile(ctx)
}

// prepare leaves the patched tree and its .config in the work folder.
func (b *build) prepare(ctx context.Context, files source.Manifest) error {
	if _, err := os.Stat(b.making()); err == nil {
		b.Report.Step("the last build in %s was killed: begin anew", b.out())
		if err := b.anew(); err != nil {
			return err
		}
		if err := os.Remove(b.making()); err != nil {
			return err
		}
	}
	if !b.isCompiled() {
		if err := errors.Join(os.RemoveAll(b.compiled()), b.forgetWarned()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.out(), 0o755); err != nil {
		return err
	}
	if err := os.Remove(b.log()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var err error
	if b.src, err = b.Tree.materialise(files, b.dir, b.Report); err != nil {
		return err
	}
	return b.configureOnce(ctx, files)
}

// compile builds vmlinux and reports every object.
func (b *build) compile(ctx context.Context) error {
	memory := filepath.Join(b.dir, "objects")
	total, first := typicalObjects, true
	if _, err := os.Stat(filepath.Join(b.out(), "vmlinux")); err == nil {
		total, first = 0, false // make alone knows how much is left to do
	}
	b.Report.Step("build linux-%s with %s on %d cores", b.Tree.Base.Version, b.Tree.Series.Name, runtime.NumCPU())
	var last int
	if text, err := os.ReadFile(memory); err == nil && first {
		if _, err := fmt.Sscan(string(text), &last); err == nil {
			total = last
		}
	}
	count := objectCounter{total: total, report: b.Report, out: b.out() + "/"}
	err := b.runMake(ctx, &count, "vmlinux")
	if werr := b.rememberWarned(); werr != nil {
		return werr
	}
	if err != nil {
		return b.failed(ctx, "build", err)
	}
	if err := b.setCompiled(); err != nil {
		return err
	}
	b.Report.Count("objects", count.done, count.done, "vmlinux")
	if !first {
		return nil
	}
	return os.WriteFile(memory, fmt.Appendln(nil, count.done), 0o644)
}

// runMake appends make's output to the log and copies it to watch.
func (b *build) runMake(ctx context.Context, watch io.Writer, targets ...string) error {
	log, err := os.OpenFile(b.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// Debug information names files as the kernel's own tree does, wherever the
	// build was: the build ID covers it.
	names := fmt.Sprintf("-ffile-prefix-map=%s/= -ffile-prefix-map=%s=.", b.seen(b.src), b.seen(b.out()))
	args := slices.Concat([]string{"O=" + b.seen(b.out()), fmt.Sprintf("-j%d", runtime.NumCPU())},
		b.Make.args(names), unusedTools, profileArgs(b.profiled), targets)
	cmd, release, err := b.Sandbox.Command(ctx, b.inSandbox(), "make", args...)
	if err != nil {
		return errors.Join(err, log.Close())
	}
	fmt.Fprintf(log, "$ %s make %s\n", strings.Join(buildEnv, " "), strings.Join(args, " "))
	b.printed.file = log
	both := &unseen{b: b, to: io.MultiWriter(&b.printed, watch)}
	cmd.Stdout, cmd.Stderr = both, both
	if err = os.WriteFile(b.making(), nil, 0o644); err == nil {
		err = cmd.Run()
		// Who is told to end by ctx has had its time to delete what is half written.
		if s := cmd.ProcessState; ctx.Err() != nil || s == nil || sandbox.EndedBy(s) != syscall.SIGKILL {
			err = errors.Join(err, os.Remove(b.making()))
		}
	}
	return errors.Join(err, both.flush(), b.printed.err, release(), log.Close())
}

// failed makes a BuildError of make's, with the first error that it printed.
func (b *build) failed(ctx context.Context, stage string, err error) error {
	log := b.printed.text
	if fault := sandbox.HostFault(ctx, stage, err, log, b.out()); fault != nil {
		return fault
	}
	fault := &blame.BuildError{Stage: stage, Err: err, Shown: FirstError(log, b.src), Log: b.Log}
	if fault.Log == "" {
		fault.Log = b.log()
	}
	return fault
}
