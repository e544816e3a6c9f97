// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/symbols"
	"timens-vmtest/tests/mutants/generate"
	"timens-vmtest/vmtest/run"
)

// The sizes of a kernel with mutants asleep. All tests have to pass in both lanes before the first of them
// wakes, so a kernel with a few mutants costs more time than it saves. With very many mutants too much would be
// lost if the tests did not pass.
const (
	leastAsleep = 5
	mostAsleep  = 500
)

// asleep is a kernel that has many mutants. A number on its command line wakes one of them.
type asleep struct {
	series  string
	number  map[string]int // by series/name
	patch   string         // path of the patch on top of the series
	vmlinux string
}

// sleep makes a kernel in which those of some mutants sleep that can, and checks that all tests pass
// on it. It returns nil if too few can, or if the kernel cannot be built: then each mutant gets a kernel of its own.
func (r runner) sleep(ctx context.Context, some []patched, name string) (*asleep, error) {
	k := &asleep{series: some[0].series, number: make(map[string]int)}
	s, err := r.sleepers(some)
	if err != nil {
		return nil, err
	}
	texts, err := s.compose(ctx)
	if err != nil {
		return nil, err
	}
	for i, m := range some {
		if s.alone[i+1] == "" {
			k.number[m.String()] = i + 1
		}
	}
	if len(k.number) < leastAsleep {
		return nil, nil
	}
	say("%s: %d mutants sleep in one kernel%s", k.series, len(k.number), reasons(s.alone))
	texts[switchFile], texts[switchMake] = switchSource, s.before[switchMake]+switchObject
	dir := filepath.Join(r.results(), k.series, name)
	k.patch = filepath.Join(dir, "asleep.patch")
	patch := patchOf(s.before, texts)
	if err := cache.WriteFile(k.patch, patch); err != nil {
		return nil, err
	}
	why := ""
	if k.vmlinux, why, err = r.build(ctx, k.series, k.patch); err != nil {
		return nil, err
	}
	if k.vmlinux == "" {
		say("%s: the kernel with the mutants asleep does not build, so each gets a kernel of its own: %s; see %s", k.series, why, k.patch)
		return nil, nil
	}
	_, err = r.answer(ctx, []string{k.series, "asleep", string(patch)}, func() (outcome, error) {
		rep, err := r.wake(ctx, k, 0, filepath.Join(dir, "asleep"), allTests)
		if err == nil && rep.Verdict != "pass" {
			err = fmt.Errorf("while all mutants sleep, %s does not pass: %s; see %s", k.series, rep.headline(), dir)
		}
		return outcome{}, err
	})
	if err != nil {
		return nil, errors.Join(err, k.forget())
	}
	return k, nil
}

// forget removes the kernel from the cache: nobody wants it again.
func (k *asleep) forget() error { return kernel.Image{Vmlinux: k.vmlinux}.Forget() }

// sleepers returns mutants of one series that are to sleep in one kernel. Their numbers begin with 1.
func (r runner) sleepers(some []patched) (*sleepers, error) {
	tree := some[0].tree
	s := &sleepers{
		config: r.unmutated[some[0].series].config, before: make(map[string]string), files: make(map[string][]generate.Asleep), alone: make(map[int]string), jobs: r.jobs,
		compile: r.compiler.Compile, has: r.compiler.Has, including: r.compiler.Including,
	}
	for i, m := range some {
		edits, err := r.editsOf(m, s.config)
		if err != nil {
			s.alone[i+1] = err.Error()
			continue
		}
		for _, e := range edits {
			s.files[e.File] = append(s.files[e.File], generate.Asleep{Mutant: e, Number: i + 1})
			s.before[e.File] = tree.texts[e.File]
		}
	}
	text, err := tree.Read(switchMake)
	s.before[switchMake] = string(text)
	return s, err
}

// editsOf returns the edits of a mutant. Those of a list are lines of text, so their places are looked for. The error says why
// the mutant cannot sleep.
func (r runner) editsOf(m patched, config generate.Config) ([]generate.Mutant, error) {
	if m.generated {
		return []generate.Mutant{r.made.from[m.String()]}, nil
	}
	changed, files, err := m.edited(m.tree.texts)
	if err != nil {
		return nil, err
	}
	var all []generate.Mutant
	for _, file := range files {
		if ext := filepath.Ext(file); ext != ".c" && ext != ".h" {
			return nil, errors.New("it edits a file that is no C code")
		}
		edits, err := generate.Diff(generate.Source{Path: file, Text: m.tree.texts[file]}, config, changed[file])
		if err != nil {
			return nil, err
		}
		all = append(all, edits...)
	}
	return all, nil
}

// reasons says how many mutants cannot sleep, and why. What the compiler says has many forms.
func reasons(alone map[int]string) string {
	if len(alone) == 0 {
		return ""
	}
	count := make(map[string]int)
	for _, why := range alone {
		if hopelessRE.MatchString(why) {
			why = "the edit does not compile"
		}
		count[why]++
	}
	var all []string
	for _, why := range slices.Sorted(maps.Keys(count)) {
		all = append(all, fmt.Sprintf("%d because %s", count[why], why))
	}
	return fmt.Sprintf(", and %d cannot: %s", len(alone), strings.Join(all, "; "))
}

// patchOf returns the patch that makes the files in after of those in before.
func patchOf(before, after map[string]string) []byte {
	out := []byte("mutants that sleep\n\n")
	for _, path := range slices.Sorted(maps.Keys(after)) {
		text, is := before[path]
		from := "a/" + path
		if !is {
			from = "/dev/null"
		}
		out = append(out, diff.Diff(from, []byte(text), "b/"+path, []byte(after[path]))...)
	}
	return out
}

// wake runs tests on a kernel with mutants asleep. The mutant with a number is awake; 0 is none.
func (r runner) wake(ctx context.Context, k *asleep, number int, dir string, flags []string) (report, error) {
	return r.vmtest(ctx, dir, append([]string{"-base", r.base, "-series", k.series, "-patch", k.patch, "-append", fmt.Sprintf("vmtest.mutant=%d", number)}, flags...))
}

// wasAwake returns an error if a guest of a run does not say that a mutant is awake. It would have tested nothing.
func wasAwake(dir string, number int) error {
	consoles, err := filepath.Glob(filepath.Join(dir, "latest", "*", wire.ConsoleFile))
	if err == nil && len(consoles) == 0 {
		err = fmt.Errorf("%s has no console log", dir)
	}
	if err != nil {
		return err
	}
	for _, file := range consoles {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Contains(text, fmt.Appendf(nil, "vmtest: mutant %d is awake", number)) {
			return fmt.Errorf("%s does not say that mutant %d is awake", file, number)
		}
	}
	return nil
}

// compileAlone compiles the one source that a generated mutant edits. It decides if the compiler refuses it, or
// makes the object that it makes without the edit. A header is in many objects, and code of the vDSO in two: then
// it decides nothing.
func (r runner) compileAlone(ctx context.Context, m patched) (o outcome, decided bool, err error) {
	from := r.made.from[m.String()]
	if r.compiler == nil || !r.compiler.Has(from.File) || generate.InVDSO(from.File) {
		return outcome{}, false, nil
	}
	text := m.tree.texts[from.File]
	var objects [2][]byte
	for i, source := range []string{text, text[:from.Begin] + from.New + text[from.End:]} {
		printed := ""
		if objects[i], printed, err = r.compiler.Compile(ctx, from.File, map[string]string{from.File: source}); err != nil {
			return outcome{}, false, err
		}
		if objects[i] == nil {
			return outcome{Verdict: unbuildable, Headline: headlineOf(printed)}, true, nil
		}
	}
	same, err := symbols.SameObject(objects[0], objects[1])
	return outcome{Verdict: sameCode}, same, err
}

// errUnknown says that a mutant has not been run.
var errUnknown = errors.New("not known")

// runSeries runs mutants of a series: first those that can sleep, many in one kernel, and then the others, each in a
// kernel of its own. Those whose outcome is remembered are not in these kernels.
func (r runner) runSeries(ctx context.Context, all []patched, p progress) (err error) {
	var open []int
	for i, m := range all {
		o, err := r.answer(ctx, r.about(m.mutant, m.patch), func() (outcome, error) { return outcome{}, errUnknown })
		if err == nil {
			p.set(i, m.result(o), time.Now(), r)
		} else {
			open = append(open, i)
		}
	}
	if r.made == nil && len(open) < leastAsleep || open == nil {
		return r.runEach(ctx, all, p, nil)
	}
	if err := r.unmutatedKernel(ctx, all[0].series, all[0].tree.Tree); err != nil {
		return err
	}
	if r.compiler, err = r.newCompiler(ctx, all[0].tree.Tree); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.compiler.Close()) }()
	n := 0
	for some := range slices.Chunk(open, mostAsleep) {
		if len(some) < leastAsleep {
			continue
		}
		n++
		if err := r.runChunk(ctx, all, some, fmt.Sprintf("asleep-%d", n), p); err != nil {
			return err
		}
	}
	return r.runEach(ctx, all, p, nil)
}

// runChunk puts some mutants to sleep in one kernel, and runs those that can.
func (r runner) runChunk(ctx context.Context, all []patched, some []int, name string, p progress) error {
	var chosen []patched
	for _, i := range some {
		chosen = append(chosen, all[i])
	}
	k, err := r.sleep(ctx, chosen, name)
	if k == nil || err != nil {
		return err
	}
	return errors.Join(r.runEach(ctx, all, p, k), k.forget())
}

// newCompiler returns a compiler of the kernel of a series.
func (r runner) newCompiler(ctx context.Context, t kernel.Tree) (*kernel.Compiler, error) {
	config, err := run.Checkout{Root: "."}.Config()
	if err != nil {
		return nil, err
	}
	return kernel.NewCompiler(ctx, r.host, kernel.Spec{Tree: t, Config: config})
}
