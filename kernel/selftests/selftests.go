// SPDX-License-Identifier: BSD-3-Clause

// Package selftests builds the kernel's own selftests, which are in C, from a tree.
package selftests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
)

// selftestsDir is the tree's folder with the kernel's own selftests.
const selftestsDir = "tools/testing/selftests"

// selftestTargets adds a target to a suite's Makefile. The target prints the paths of the
// programs that the Makefile builds.
const selftestTargets = "--eval=vmtest-targets: ; @echo $(TEST_GEN_PROGS)"

// target is a kind of program that each suite is built as.
type target struct {
	arch string // as GOARCH names it
	bits int
	vars []string // further variables for make
}

// targets are all kinds. For 32-bit programs Debian's gcc does not find the headers asm/*.h.
// The package gcc-multilib would mend that, but it cannot be installed beside cross compilers.
var targets = []target{
	{arch: "amd64", bits: 64},
	{arch: "386", bits: 32, vars: []string{"CC=gcc -m32 -idirafter /usr/include/x86_64-linux-gnu"}},
}

// Check returns an error if gcc cannot make static 32-bit programs, which Build needs. The C
// library for them, or gcc's own, is then not installed.
func Check(ctx context.Context) error {
	cmd := sandbox.Command(ctx, "", nil, "gcc", "-m32", "-static", "-x", "c", "-", "-o", "/dev/null")
	cmd.Stdin = strings.NewReader("#include <unistd.h>\nint main(void) { return 0; }\n")
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if why, _, _ := strings.Cut(kbuild.FirstError(out), "\n"); why != "" {
		err = errors.New(why)
	}
	return fmt.Errorf("the kernel's selftests are also built as 32-bit programs, and gcc cannot make static ones: %w; type \"make deps\"", err)
}

// Build builds suites of the tree's selftests, such as "clone3", with their own Makefiles
// and the tree's headers, as 64-bit and as 32-bit programs. It returns the path of each
// program by "arch/suite/program", where arch is a GOARCH. The programs are static, because
// the guest has no libraries. A program that needs libcap is built for 64 bits only, because
// Debian has libcap for 32-bit programs only on machines with a second architecture. A suite
// that the tree does not have is left out. If a suite does not build, the error is a
// blame.BuildError.
func Build(ctx context.Context, h host.Host, t kernel.Tree, suites []string) (map[string]string, error) {
	toolchain, err := kbuild.MakeVars(nil).Toolchain(ctx)
	if err != nil {
		return nil, err
	}
	b := selftestBuild{Host: h, tree: t}
	if b.suites, b.sources, err = b.find(suites); err != nil || len(b.suites) == 0 {
		return nil, err
	}
	headers, err := b.headers()
	if err != nil {
		return nil, err
	}
	parts := []string{"selftests 2", toolchain.Versions, strings.Join(b.suites, " ")}
	for _, path := range slices.Concat(b.sources, headers) {
		text, err := t.Read(path)
		if err != nil {
			return nil, err
		}
		parts = append(parts, path, string(text))
	}
	key := cache.Digest(parts...)[:32]
	unlock, err := h.Lock(ctx, "selftests-"+key, "these selftests")
	if err != nil {
		return nil, err
	}
	defer unlock()
	entry := filepath.Join(h.Cache.Dir, "selftests", key)
	what := strings.Join(b.suites, ", ") + " of linux-" + t.Base.Version
	if programs, err := openSelftests(entry); err == nil {
		return programs, h.Cache.Use(cache.Selftests, key, what)
	} else if !errors.Is(err, fs.ErrNotExist) {
		h.Report.Step("the cached selftests are damaged and are built again: %v", err)
		if err := os.RemoveAll(entry); err != nil {
			return nil, err
		}
	}
	if err := Check(ctx); err != nil {
		return nil, err
	}
	if b.dir, err = cache.Scratch(filepath.Dir(entry), key); err != nil {
		return nil, err
	}
	defer cache.RemoveAll(b.dir)
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Rename(filepath.Join(b.dir, "programs"), entry), h.Cache.Wrote(cache.Selftests, key, what)); err != nil {
		return nil, err
	}
	return openSelftests(entry)
}

// selftestSums is the file of a cache entry with the digests of its programs.
const selftestSums = "programs.json"

// openSelftests reads a cache entry and verifies its files.
func openSelftests(entry string) (map[string]string, error) {
	if _, err := os.Stat(entry); err != nil {
		return nil, err
	}
	sums := make(map[string]string)
	if err := cache.ReadSealed(filepath.Join(entry, selftestSums), &sums); err != nil {
		return nil, fmt.Errorf("%v", err) // without fs.ErrNotExist in it: the entry exists, only a file in it is missing
	}
	programs := make(map[string]string)
	for name, want := range sums {
		programs[name] = filepath.Join(entry, name)
		if got, err := cache.HashFile(programs[name]); err != nil || got != want {
			return nil, fmt.Errorf("%s does not match its digest", programs[name])
		}
	}
	return programs, nil
}

// selftestBuild is one build of selftests.
type selftestBuild struct {
	host.Host
	tree    kernel.Tree
	suites  []string
	sources []string // paths in the tree of the files of the suites, and of files that suites share
	dir     string   // has the folders tree (a part of the tree), stub, patched, lib and programs
}

// find returns those of the suites that the tree has, and the paths of the files that
// they are built from.
func (b *selftestBuild) find(suites []string) (found, sources []string, err error) {
	shared, err := b.files(selftestsDir, false)
	if err != nil {
		return nil, nil, err
	}
	for _, suite := range suites {
		files, err := b.files(filepath.Join(selftestsDir, suite), true)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(files, filepath.Join(selftestsDir, suite, "Makefile")) {
			found = append(found, suite)
			sources = append(sources, files...)
		}
	}
	return found, append(sources, shared...), nil
}

// headers returns the paths of the tree's headers for user space.
func (b *selftestBuild) headers() ([]string, error) {
	var all []string
	for _, dir := range kernel.UapiDirs {
		files, err := b.files(dir, true)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// files returns the paths of the regular files in a folder of the tree. If deep is set, it
// also returns those in the folders below.
func (b *selftestBuild) files(dir string, deep bool) ([]string, error) {
	all := make(map[string]bool)
	root := filepath.Join(b.tree.Base.Dir, dir)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && path != root && !deep:
			return fs.SkipDir
		case d.Type().IsRegular():
			rel, err := filepath.Rel(b.tree.Base.Dir, path)
			if b.tree.Has(rel) { // a program that was built there is no source
				all[rel] = true
			}
			return err
		}
		return nil
	})
	for _, path := range b.tree.Touched() {
		if strings.HasPrefix(path, dir+"/") && (deep || filepath.Dir(path) == dir) {
			if all[path] = true; !b.tree.Has(path) {
				delete(all, path)
			}
		}
	}
	return slices.Sorted(maps.Keys(all)), err
}

func (b *selftestBuild) build(ctx context.Context) error {
	b.Report.Step("build the selftests %s of linux-%s, for 64 and for 32 bits", strings.Join(b.suites, ", "), b.tree.Base.Version)
	for _, path := range b.sources {
		text, err := b.tree.Read(path)
		if err != nil {
			return err
		}
		to := filepath.Join(b.dir, "tree", path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return err
		}
	}
	include, err := b.tree.UapiIncludes(b.dir)
	if err != nil {
		return err
	}
	if err := b.writeNoLibcap(); err != nil {
		return err
	}
	sums := make(map[string]string)
	for _, t := range targets {
		for _, suite := range b.suites {
			if err := b.buildSuite(ctx, t, suite, include, sums); err != nil {
				return err
			}
		}
	}
	return cache.WriteSealed(filepath.Join(b.dir, "programs", selftestSums), sums)
}

// writeNoLibcap writes an empty libcap for 32-bit programs. The Makefile of clone3 links all
// programs with libcap, and one of them needs it.
func (b *selftestBuild) writeNoLibcap() error {
	if err := os.MkdirAll(b.lib("386"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.lib("386"), "libcap.a"), []byte("!<arch>\n"), 0o644)
}

// lib returns a folder in which the linker looks first.
func (b *selftestBuild) lib(arch string) string { return filepath.Join(b.dir, "lib", arch) }

// needsLibcap reports whether a program of a suite needs libcap.
func (b *selftestBuild) needsLibcap(suite, program string) bool {
	text, err := os.ReadFile(filepath.Join(b.dir, "tree", selftestsDir, suite, filepath.Base(program)+".c"))
	return err == nil && bytes.Contains(text, []byte("<sys/capability.h>"))
}

func (b *selftestBuild) buildSuite(ctx context.Context, t target, suite string, include []string, sums map[string]string) error {
	out := filepath.Join(b.dir, "programs", t.arch, suite)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	list, err := b.make(ctx, t, suite, out, include, "vmtest-targets")
	if err != nil {
		return err
	}
	programs := strings.Fields(string(list))
	if len(programs) == 0 {
		return &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("the Makefile of %s builds no program: TEST_GEN_PROGS is empty", filepath.Join(selftestsDir, suite))}
	}
	if t.arch == "386" {
		programs = slices.DeleteFunc(programs, func(path string) bool { return b.needsLibcap(suite, path) })
		if len(programs) == 0 {
			return nil
		}
	}
	if _, err := b.make(ctx, t, suite, out, include, programs...); err != nil {
		return err
	}
	for _, path := range programs {
		name, inside := strings.CutPrefix(path, out+"/")
		if !inside || filepath.Base(name) != name {
			return &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("the Makefile of %s builds %s, which is outside of the folder OUTPUT", filepath.Join(selftestsDir, suite), path)}
		}
		if sums[filepath.Join(t.arch, suite, name)], err = sandbox.HashMade(out, name); err != nil {
			return err
		}
	}
	return nil
}

// make runs the Makefile of a suite and returns its standard output.
func (b *selftestBuild) make(ctx context.Context, t target, suite, out string, include []string, goals ...string) ([]byte, error) {
	args := slices.Concat([]string{"-s", fmt.Sprintf("-j%d", b.UsableCores()), "OUTPUT=" + out,
		"KHDR_INCLUDES=-D__EXPORTED_HEADERS__ " + strings.Join(include, " "), "LDFLAGS=-static -s -L" + b.lib(t.arch), selftestTargets}, t.vars, goals)
	dir := filepath.Join(b.dir, "tree", selftestsDir, suite)
	cmd, release, err := b.Sandbox.Command(ctx, sandbox.Place{Dir: dir, Readable: []string{b.dir, b.tree.Base.Dir}, Writable: []string{out}}, "make", args...)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if rerr := release(); rerr != nil {
		return nil, rerr
	}
	if err == nil {
		return stdout.Bytes(), nil
	}
	log := slices.Concat(stdout.Bytes(), stderr.Bytes())
	if fault := sandbox.HostFault(ctx, "selftests", err, log, out); fault != nil {
		return nil, fault
	}
	return nil, &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("%s for %d bits: %w", filepath.Join(selftestsDir, suite), t.bits, err), Shown: kbuild.FirstError(inTree(log, suite), filepath.Join(b.dir, "tree"))}
}

var besideMakefile = regexp.MustCompile(`(?m)^((?:In file included from |\s+from )?)([^\s/:][^\s:]*\.[chS]:)`)

// inTree names the files of a suite, in what make printed, as the tree does.
func inTree(log []byte, suite string) []byte {
	return besideMakefile.ReplaceAll(log, []byte("${1}"+filepath.Join(selftestsDir, suite)+"/${2}"))
}
