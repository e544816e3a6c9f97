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

// Build builds suites of the tree's selftests, such as "clone3", with their own Makefiles
// and the tree's headers. It returns the path of each program by "suite/program". The
// programs are static, because the guest has no libraries. A suite that the tree does not
// have is left out. If a suite does not build, the error is a blame.BuildError.
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
	parts := []string{"selftests 1", toolchain, strings.Join(b.suites, " ")}
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
	dir     string   // has the folders tree (a part of the tree), stub, patched and programs
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
	b.Report.Step("build the selftests %s of linux-%s", strings.Join(b.suites, ", "), b.tree.Base.Version)
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
	sums := make(map[string]string)
	for _, suite := range b.suites {
		if err := b.buildSuite(ctx, suite, include, sums); err != nil {
			return err
		}
	}
	return cache.WriteSealed(filepath.Join(b.dir, "programs", selftestSums), sums)
}

func (b *selftestBuild) buildSuite(ctx context.Context, suite string, include []string, sums map[string]string) error {
	out := filepath.Join(b.dir, "programs", suite)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	list, err := b.make(ctx, suite, out, include, "vmtest-targets")
	if err != nil {
		return err
	}
	programs := strings.Fields(string(list))
	if len(programs) == 0 {
		return &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("the Makefile of %s builds no program: TEST_GEN_PROGS is empty", filepath.Join(selftestsDir, suite))}
	}
	if _, err := b.make(ctx, suite, out, include, programs...); err != nil {
		return err
	}
	for _, path := range programs {
		name, inside := strings.CutPrefix(path, out+"/")
		if !inside || filepath.Base(name) != name {
			return &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("the Makefile of %s builds %s, which is outside of the folder OUTPUT", filepath.Join(selftestsDir, suite), path)}
		}
		if sums[filepath.Join(suite, name)], err = sandbox.HashMade(out, name); err != nil {
			return err
		}
	}
	return nil
}

// make runs the Makefile of a suite and returns its standard output.
func (b *selftestBuild) make(ctx context.Context, suite, out string, include []string, targets ...string) ([]byte, error) {
	args := append([]string{"-s", fmt.Sprintf("-j%d", b.UsableCores()), "OUTPUT=" + out,
		"KHDR_INCLUDES=-D__EXPORTED_HEADERS__ " + strings.Join(include, " "), "LDFLAGS=-static -s", selftestTargets}, targets...)
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
	return nil, &blame.BuildError{Stage: "selftests", Err: fmt.Errorf("%s: %w", filepath.Join(selftestsDir, suite), err), Shown: kbuild.FirstError(inTree(log, suite), filepath.Join(b.dir, "tree"))}
}

var besideMakefile = regexp.MustCompile(`(?m)^((?:In file included from |\s+from )?)([^\s/:][^\s:]*\.[chS]:)`)

// inTree names the files of a suite, in what make printed, as the tree does.
func inTree(log []byte, suite string) []byte {
	return besideMakefile.ReplaceAll(log, []byte("${1}"+filepath.Join(selftestsDir, suite)+"/${2}"))
}
