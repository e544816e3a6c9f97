// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// listFlag may be repeated, and each value may hold several by commas. A path that
// exists is taken as it is, with its commas.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(value string) error {
	parts := strings.Split(value, ",")
	for len(parts) > 0 {
		n := len(parts)
		for n > 1 && !exists(strings.Join(parts[:n], ",")) {
			n--
		}
		name := strings.Join(parts[:n], ",")
		if name == "" {
			return fmt.Errorf("an empty name in %q; a path with a comma in it is taken as it is when it exists", value)
		}
		*l = append(*l, name)
		parts = parts[n:]
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (l *listFlag) repeatable() {}

// pathFlag may be repeated; a path may hold commas.
type pathFlag []string

func (p *pathFlag) String() string { return strings.Join(*p, " ") }

func (p *pathFlag) Set(value string) error {
	*p = append(*p, value)
	return nil
}

func (p *pathFlag) repeatable() {}

// defaultSeries is what "make vmtest" tests.
const defaultSeries = "timens-offset"

// defaultDesign is that of an initramfs without a kernel.
const defaultDesign = "timens-offset"

// lanes are what -lane stands for.
var lanes = map[string][]string{
	wire.Real:    {wire.Real},
	wire.Virtual: {wire.Virtual},
	bothLanes:    {wire.Real, wire.Virtual},
}

const bothLanes = "both"

// flags of all verbs. Each verb registers those that it reads.
type flags struct {
	series    listFlag
	patches   pathFlag
	source    source.Spec
	bases     listFlag      // names of the bases
	baseSpecs []source.Spec // what bases says
	commits   string        // of source.Tree
	makeVars  pathFlag
	prebuilt  string // absolute; "" for none
	configs   pathFlag
	lane      string
	accel     string
	run       string
	tests     listFlag
	design    string
	timeout   time.Duration
	long      time.Duration
	results   string
	out       string
	bisect    bool
	failFast  bool
	forget    bool
	verbose   bool

	keepGoing bool
	steps     listFlag
	coverage  bool
	sandbox   string
	trailers  bool
	limits    string

	nights    nights
	cacheSize sizeFlag // 0 for no limit, and of a verb without the flag
	pruneAll  bool

	match  *regexp.Regexp  // of run
	bounds sandbox.Limits  // what limits says
	set    map[string]bool // the names of the flags that were given
}

func (f *flags) registerKernel(set *flag.FlagSet) {
	set.Var(&f.series, "series", "`NAME|FOLDER|FILE.mbox` to apply, or - for a mailbox on standard input; repeat it or use commas for several (default "+defaultSeries+"; with -tree none)")
	set.Var(&f.patches, "patch", "`FILE` of one patch or more to apply on top of the series; may be repeated")
	f.registerTrailers(set)
	f.registerTree(set)
	f.registerBase(set)
	f.registerSandbox(set)
	f.registerConfig(set)
	set.StringVar(&f.prebuilt, "build", "", "test the kernel that you have built in `DIR`, from the tree that it belongs to or -tree names; nothing is built")
}

func (f *flags) registerTrailers(set *flag.FlagSet) {
	set.BoolVar(&f.trailers, "trailers", false, "put the trailers that replies in a mailbox give (Reviewed-by and the like) into the changelogs, as b4 does")
}

func (f *flags) registerMake(set *flag.FlagSet) {
	set.Var(&f.makeVars, "make", "`VAR=VALUE` to add to make's command line, such as LLVM=1 or CC='ccache gcc'; may be repeated")
}

func (f *flags) registerConfig(set *flag.FlagSet) {
	f.registerMake(set)
	set.Var(&f.configs, "config", "extra kconfig fragment, a `FILE` or the name of one in kconfig/; may be repeated")
}

func (f *flags) registerTree(set *flag.FlagSet) {
	set.StringVar(&f.source.Tree, "tree", "", "test the kernel checkout in `DIR` as it stands instead of "+source.DefaultPackage+"; it is never written to")
	set.StringVar(&f.commits, "range", "", "take the commits `BASE..HEAD` of the git tree that -tree names as the series, and BASE as its base")
}

func (f *flags) registerBase(set *flag.FlagSet) {
	f.registerCacheSize(set) // whoever has a base fetched fills the cache
	set.Var(&f.bases, "base", "`NAME` of the kernel that is the base (default 6.12): "+source.Names+"; run takes several, by commas")
	set.StringVar(&f.source.URL, "tarball", "", "take the base from the tarball at `URL` instead of "+source.DefaultPackage+"; needs -sha256")
	set.StringVar(&f.source.SHA256, "sha256", "", "`DIGEST` of the tarball in hex")
}

func (f *flags) registerSandbox(set *flag.FlagSet) {
	set.StringVar(&f.sandbox, "sandbox", "auto", "`auto|on|off`: apply and build without network and with nothing writable but the build folder; auto goes without for series of this checkout where it cannot be had")
	set.StringVar(&f.limits, "sandbox-limits", "", "`NAME=VALUE,...|none`: what one command in the sandbox may use before it is ended, of "+sandbox.LimitNames+"; none is no bound (default what docs/sandbox.md says)")
}

func (f *flags) registerSuites(set *flag.FlagSet) {
	set.Var(&f.tests, "tests", "test package `FOLDER`s, with "+wire.I386+" behind one that is to be built for 32 bits (default tests/timens, tests/clone3 and that of the design, for 64 bits and, in the lane virtual, for 32, and tests/kselftest)")
	set.StringVar(&f.design, "design", "", "`NAME` of the way in which clone3() takes offsets (default what the series' file design says, or the one whose members the headers of its kernel have, or "+wire.NoDesign+")")
}

func (f *flags) registerTests(set *flag.FlagSet) {
	set.StringVar(&f.run, "run", "", "run only the tests whose package.Name matches `REGEXP`")
	set.DurationVar(&f.timeout, "timeout", run.DefaultTimeout, "`TIME` after which a test is killed: the guest's, and some time later the host's; with PROVE_LOCKING six times that; in the lane virtual twice -long is added to the guest's")
}

func (f *flags) registerBoot(set *flag.FlagSet) {
	set.StringVar(&f.accel, "accel", vm.Auto, "`auto|kvm|tcg`")
}

func (f *flags) registerResults(set *flag.FlagSet) {
	f.registerLane(set)
	set.StringVar(&f.results, "results", "", "`DIR` that takes one folder a run (default results/ of the checkout)")
}

func (f *flags) registerRun(set *flag.FlagSet) {
	set.BoolVar(&f.coverage, "coverage", false, "measure which of the lines that the series changes are run by the tests, and fail below its floor")
	set.BoolVar(&f.failFast, "fail-fast", false, "stop at the first test that is not as expected, or at the first splat; what did not run is no pass")
	set.BoolVar(&f.forget, "forget", false, "do not keep a kernel that this run had to build: nobody will want it again")
	set.BoolVar(&f.bisect, "bisect", false, "exit as git bisect run wants it: 125 instead of 3 and 4, so that git skips the commit; 129 instead of 2, and 130 for Ctrl-C, which end the bisection")
}

func (f *flags) registerLane(set *flag.FlagSet) {
	set.StringVar(&f.lane, "lane", bothLanes, "`real|virtual|both`: guest time is host time, or instructions executed, or one of each side by side")
	set.DurationVar(&f.long, "long", run.DefaultLong, "guest `TIME` that the tests of long waits take in the lane virtual")
}

func (f *flags) registerVerbose(set *flag.FlagSet) {
	set.BoolVar(&f.verbose, "v", false, "show what each test prints while it runs, and how its process ended")
}

// checkSuite refuses a folder without tests.
func checkSuite(root, dir string) error {
	if filepath.IsLocal(dir) {
		found, err := filepath.Glob(filepath.Join(pathPattern.Replace(root), pathPattern.Replace(strings.TrimSuffix(dir, wire.I386)), "*_test.go"))
		if err != nil || len(found) > 0 {
			return err
		}
	}
	known := suites(root)
	return blame.Usagef("-tests %s is no folder with tests; there are %s%s", dir, strings.Join(known, ", "), didYouMean(dir, known))
}

// pathPattern makes a pattern that matches a path alone.
var pathPattern = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`)

// suites are the folders of test packages.
func suites(root string) []string {
	found, err := fs.Glob(os.DirFS(root), "tests/*/*_test.go")
	if err != nil { // of the pattern, which is right
		return nil
	}
	var all []string
	for _, path := range found {
		if dir := filepath.Dir(path); !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

// checkBases refuses names of bases that are unknown, given twice, or given beside -tree or
// -tarball. The source is that of the first.
func (f *flags) checkBases() error {
	for i, name := range f.bases {
		if f.source.Tree != "" || f.source.URL != "" {
			return blame.Usagef("-base %s: the base is given by -tree or -tarball already", name)
		}
		if slices.Contains(f.bases[:i], name) {
			return blame.Usagef("-base %s is given twice", name)
		}
		spec, err := source.Named(name)
		if err != nil {
			return err
		}
		f.baseSpecs = append(f.baseSpecs, spec)
	}
	if len(f.baseSpecs) > 0 {
		f.source = f.baseSpecs[0]
	}
	return nil
}

// checkPrebuilt finds the tree of a kernel that the user has built. It refuses flags that
// would ask for another kernel.
func (f *flags) checkPrebuilt() error {
	if f.prebuilt == "" {
		return nil
	}
	for _, name := range []string{"series", "patch", "range", "base", "tarball", "make", "forget", "coverage"} {
		if f.set[name] {
			return blame.Usagef("-%s does not go with -build, which tests a kernel that is built already", name)
		}
	}
	dir, err := filepath.Abs(f.prebuilt)
	if err != nil {
		return err
	}
	f.prebuilt = dir
	if err := kernel.CheckPrebuilt(dir); err != nil || f.source.Tree != "" {
		return err
	}
	f.source.Tree, err = kernel.SourceOf(dir)
	return err
}

// check completes and checks what was given. root is the module's folder.
func (f *flags) check(root string) error {
	if len(f.series) == 0 && f.source.Tree == "" && f.prebuilt == "" {
		f.series = listFlag{defaultSeries}
	}
	if f.results == "" {
		f.results = filepath.Join(root, "results")
	}
	for _, dir := range f.tests {
		if err := checkSuite(root, dir); err != nil {
			return err
		}
	}
	if known := append(slices.Clone(wire.Designs), wire.NoDesign); f.design != "" && !slices.Contains(known, f.design) {
		return blame.Usagef("-design %s is none of %s", f.design, strings.Join(known, ", "))
	}
	if f.lane != "" && lanes[f.lane] == nil {
		return blame.Usagef("-lane %s is none of real, virtual, both", f.lane)
	}
	if f.accel != "" && !slices.Contains([]string{vm.Auto, vm.KVM, vm.TCG}, f.accel) {
		return blame.Usagef("-accel %s is none of auto, kvm, tcg", f.accel)
	}
	if f.sandbox != "" && !slices.Contains([]string{"auto", "on", "off"}, f.sandbox) {
		return blame.Usagef("-sandbox %s is none of auto, on, off", f.sandbox)
	}
	var err error
	if f.bounds, err = sandbox.ParseLimits(f.limits); err != nil {
		return blame.Usagef("-sandbox-limits: %w", err)
	}
	if f.limits != "" && f.sandbox == "off" {
		return blame.Usagef("-sandbox-limits %s: without a sandbox nothing is bounded; leave out -sandbox off", f.limits)
	}
	if f.timeout < 0 || f.timeout > 0 && f.timeout < time.Second {
		return blame.Usagef("-timeout %v is below one second", f.timeout)
	}
	if f.long < 0 || f.long > 0 && f.long < time.Second {
		return blame.Usagef("-long %v is below one second", f.long)
	}
	if f.set["long"] && f.lane == wire.Real {
		return blame.Usagef("-long is of the lane virtual; leave it out with -lane real")
	}
	if f.accel == vm.KVM && f.lane == wire.Virtual {
		return blame.Usagef("-accel kvm is of the lane real; the lane virtual is always emulated")
	}
	if f.commits != "" && (f.source.Tree == "" || len(f.series) > 0) {
		return blame.Usagef("-range goes with -tree, and without -series")
	}
	if err := f.checkPrebuilt(); err != nil {
		return err
	}
	if err := f.checkBases(); err != nil {
		return err
	}
	if err := kbuild.MakeVars(f.makeVars).Check(); err != nil {
		return err
	}
	if f.source.SHA256 != "" && f.source.URL == "" {
		return blame.Usagef("-sha256 goes with -tarball")
	}
	if f.run != "" {
		re, err := regexp.Compile(f.run)
		if err != nil {
			return blame.Usagef("-run: %w", err)
		}
		f.match = re
	}
	return nil
}
