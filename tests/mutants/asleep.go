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
	say("%s: %d mutants sleep in one kernel, and %d cannot: %s", k.series, len(k.number), len(s.alone), reasons(s.alone))
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
	tree := r.made.trees[some[0].series]
	s := &sleepers{
		config: r.made.config, before: make(map[string]string), files: make(map[string][]generate.Asleep), alone: make(map[int]string), jobs: r.jobs,
		compile: r.compiler.Compile, has: r.compiler.Has, including: r.compiler.Including,
	}
	for i, m := range some {
		from := r.made.from[m.String()]
		s.files[from.File] = append(s.files[from.File], generate.Asleep{Mutant: from, Number: i + 1})
	}
	for _, path := range append(slices.Collect(maps.Keys(s.files)), switchMake) {
		text, err := tree.Read(path)
		if err != nil {
			return nil, err
		}
		s.before[path] = string(text)
	}
	return s, nil
}

// reasons says why mutants cannot sleep, and for how many each is the reason. What the compiler says has
// many forms.
func reasons(alone map[int]string) string {
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
	return strings.Join(all, "; ")
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
	return vmtest(ctx, dir, append([]string{"-base", r.base, "-series", k.series, "-patch", k.patch, "-append", fmt.Sprintf("vmtest.mutant=%d", number)}, flags...))
}

// runAsleep runs the tests on a mutant in a kernel with many: first in the lane virtual, and in both lanes if none
// of them notices. Between the two it compares the object code, which takes a second: most mutants
// are caught before, and an equivalent one costs no run in the lane real.
func (r runner) runAsleep(ctx context.Context, k *asleep, m mutant, patch []byte) (o outcome, err error) {
	dir, _, err := r.writePatch(m, patch)
	if err != nil {
		return o, err
	}
	for i, way := range r.ways(m) {
		last := i == len(r.ways(m))-1
		if last {
			if o, decided, err := r.compileAlone(ctx, m); decided || err != nil {
				return o, err
			}
		} else if at := slices.Index(way, "likely"); at >= 0 {
			way = slices.Replace(slices.Clone(way), at, at+1, "likely="+r.made.from[m.String()].Function)
		}
		rep, err := r.wake(ctx, k, k.number[m.String()], dir, way)
		if err != nil {
			return outcome{}, fmt.Errorf("has no verdict: %w", err)
		}
		o = outcome{Caught: rep.noticed(), Verdict: rep.Verdict, Headline: rep.headline()}
		if len(o.Caught) > 0 || o.Verdict != "pass" {
			return o, nil
		}
		if err := wasAwake(dir, k.number[m.String()]); err != nil {
			return outcome{}, fmt.Errorf("has no verdict: %w", err)
		}
	}
	return o, nil
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

// compileAlone compiles the one source that a mutant edits. It decides if the compiler refuses it, or
// makes the object that it makes without the edit. A header is in many objects, and code of the vDSO in two: then
// it decides nothing.
func (r runner) compileAlone(ctx context.Context, m mutant) (o outcome, decided bool, err error) {
	from := r.made.from[m.String()]
	if r.compiler == nil || !r.compiler.Has(from.File) || generate.InVDSO(from.File) {
		return outcome{}, false, nil
	}
	text, err := r.made.trees[m.series].Read(from.File)
	if err != nil {
		return outcome{}, false, err
	}
	var objects [2][]byte
	for i, source := range []string{string(text), string(text[:from.Begin]) + from.New + string(text[from.End:])} {
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

// runGenerated runs generated mutants of a series: first those that can sleep, many in one kernel, and
// then the others, each in a kernel of its own. Those whose outcome is remembered are not in these kernels.
func (r runner) runGenerated(ctx context.Context, all []patched, p progress) (err error) {
	var open []int
	for i, m := range all {
		o, err := r.answer(ctx, r.about(m.mutant, m.patch), func() (outcome, error) { return outcome{}, errUnknown })
		if err == nil {
			p.set(i, m.result(o), time.Now(), r)
		} else {
			open = append(open, i)
		}
	}
	if open == nil {
		return nil
	}
	if r.compiler, err = r.newCompiler(ctx, all[0].series); err != nil {
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
func (r runner) newCompiler(ctx context.Context, series string) (*kernel.Compiler, error) {
	config, err := run.Checkout{Root: "."}.Config()
	if err != nil {
		return nil, err
	}
	return kernel.NewCompiler(ctx, r.host, kernel.Spec{Tree: r.made.trees[series], Config: config})
}
