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

	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/vm"
	"timens-vmtest/vmtest/wire"
)

// usageError is a mistake on the command line: exit 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// listFlag may be repeated, and each value may hold several by commas.
type listFlag []string

func (l *listFlag) String() string { return strings.Join(*l, ",") }

func (l *listFlag) Set(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		if part == "" {
			return fmt.Errorf("an empty name in %q", value)
		}
		*l = append(*l, part)
	}
	return nil
}

// pathFlag may be repeated; a path may hold commas.
type pathFlag []string

func (p *pathFlag) String() string { return strings.Join(*p, " ") }

func (p *pathFlag) Set(value string) error {
	*p = append(*p, value)
	return nil
}

// defaultSeries is what "make vmtest" tests.
const defaultSeries = "timens-offset"

// defaultDesign is that of an initramfs without a kernel.
const defaultDesign = "timens-offset"

// defaultTimeout is that of a test, in guest time.
const defaultTimeout = 30 * time.Second

// defaultFragments make the configuration, in this order.
var defaultFragments = []string{"base", "x86_64", "timens", "clone3"}

// lanes are what -lane stands for.
var lanes = map[string][]string{
	wire.Real:    {wire.Real},
	wire.Virtual: {wire.Virtual},
	bothLanes:    {wire.Real, wire.Virtual},
}

const bothLanes = "both"

// flags of all verbs. Each verb registers those that it reads.
type flags struct {
	series  listFlag
	patches pathFlag
	source  kernel.Source
	commits string // of source.Tree
	configs pathFlag
	lane    string
	accel   string
	run     string
	tests   listFlag
	design  string
	timeout time.Duration
	long    time.Duration
	results string
	out     string
	bisect  bool
	forget  bool
	verbose bool

	keepGoing bool
	coverage  bool
	sandbox   string

	runRE   *regexp.Regexp
	without func(wire.TestID) bool // tests that are not to be run
}

func (f *flags) registerKernel(set *flag.FlagSet) {
	set.Var(&f.series, "series", "`NAME|FOLDER|FILE.mbox` to apply; repeat it or use commas for several (default "+defaultSeries+"; with -tree none)")
	set.Var(&f.patches, "patch", "`FILE` to apply on top of the series; may be repeated")
	f.registerTree(set)
	f.registerSource(set)
	f.registerConfig(set)
}

func (f *flags) registerConfig(set *flag.FlagSet) {
	set.Var(&f.configs, "config", "extra kconfig fragment, a `FILE` or the name of one in kconfig/; may be repeated")
}

func (f *flags) registerTree(set *flag.FlagSet) {
	set.StringVar(&f.source.Tree, "tree", "", "test the kernel checkout in `DIR` as it stands instead of "+kernel.DefaultPackage+"; it is never written to")
	set.StringVar(&f.commits, "range", "", "take the commits `BASE..HEAD` of the git tree that -tree names as the series, and BASE as its base")
}

func (f *flags) registerSource(set *flag.FlagSet) {
	set.StringVar(&f.source.URL, "tarball", "", "take the base from the tarball at `URL` instead of "+kernel.DefaultPackage+"; needs -sha256")
	set.StringVar(&f.source.SHA256, "sha256", "", "`DIGEST` of the tarball in hex")
	set.StringVar(&f.sandbox, "sandbox", "auto", "`auto|on|off`: apply and build without network and with nothing writable but the build folder; auto goes without for series of this checkout where it cannot be had")
}

func (f *flags) registerTests(set *flag.FlagSet) {
	set.StringVar(&f.run, "run", "", "run only the tests whose package.Name matches `REGEXP`")
	set.Var(&f.tests, "tests", "test package `FOLDER`s, with "+wire.I386+" behind one that is to be built for 32 bits (default tests/timens, tests/clone3 and that of the design, for 64 bits and, in the lane virtual, for 32, and tests/kselftest)")
	set.StringVar(&f.design, "design", "", "`NAME` of the way in which clone3() takes offsets (default what the series' file design says, or the one whose members the headers of its kernel have, or "+wire.NoDesign+")")
	set.DurationVar(&f.timeout, "timeout", defaultTimeout, "`TIME` after which a test is killed: the guest's, and some time later the host's; with PROVE_LOCKING six times that; in the lane virtual twice -long is added to the guest's")
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
	set.BoolVar(&f.forget, "forget", false, "do not keep a kernel that this run had to build: nobody will want it again")
	set.BoolVar(&f.bisect, "bisect", false, "exit as git bisect run wants it: 125 for 3 and 4, to go around the commit; 129 for 2, 130 when interrupted, to end")
}

func (f *flags) registerLane(set *flag.FlagSet) {
	set.StringVar(&f.lane, "lane", bothLanes, "`real|virtual|both`: guest time is host time, or instructions executed, or one of each side by side")
	set.DurationVar(&f.long, "long", 24*time.Hour, "guest `TIME` that the tests of long waits take in the lane virtual")
}

func (f *flags) registerVerbose(set *flag.FlagSet) {
	set.BoolVar(&f.verbose, "v", false, "say more")
}

// check completes and checks what was given. root is the module's folder.
func (f *flags) check(root string) error {
	if len(f.series) == 0 && f.source.Tree == "" {
		f.series = listFlag{defaultSeries}
	}
	if f.results == "" {
		f.results = filepath.Join(root, "results")
	}
	for _, dir := range f.tests {
		if !filepath.IsLocal(dir) {
			return usagef("-tests %s is not a folder of this project", dir)
		}
		if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(dir, wire.I386))); err != nil {
			return usagef("-tests: %w", err)
		}
	}
	if known := append(slices.Clone(wire.Designs), wire.NoDesign); f.design != "" && !slices.Contains(known, f.design) {
		return usagef("-design %s is none of %s", f.design, strings.Join(known, ", "))
	}
	if f.lane != "" && lanes[f.lane] == nil {
		return usagef("-lane %s is none of real, virtual, both", f.lane)
	}
	if f.accel != "" && !slices.Contains([]string{vm.Auto, vm.KVM, vm.TCG}, f.accel) {
		return usagef("-accel %s is none of auto, kvm, tcg", f.accel)
	}
	if f.sandbox != "" && !slices.Contains([]string{"auto", "on", "off"}, f.sandbox) {
		return usagef("-sandbox %s is none of auto, on, off", f.sandbox)
	}
	if f.timeout < 0 || f.timeout > 0 && f.timeout < time.Second {
		return usagef("-timeout %v is below one second", f.timeout)
	}
	if f.long < 0 || f.long > 0 && f.long < time.Second {
		return usagef("-long %v is below one second", f.long)
	}
	if f.commits != "" && (f.source.Tree == "" || len(f.series) > 0) {
		return usagef("-range goes with -tree, and without -series")
	}
	if f.source.SHA256 != "" && f.source.URL == "" {
		return usagef("-sha256 goes with -tarball")
	}
	if f.run != "" {
		re, err := regexp.Compile(f.run)
		if err != nil {
			return usagef("-run: %w", err)
		}
		f.runRE = re
	}
	return nil
}

// testFolders are the test packages for a design, and which of them one lane
// only runs: under QEMU's emulation with several threads one of some hundred
// 32-bit programs ends by a SIGTRAP, its EFLAGS full of ones after a CMPXCHG8B,
// so that they stay out of the lane real unless they are asked for. Where clone3()
// takes no offsets, the tests of every design have to fail.
func (f *flags) testFolders(design string) (folders []string, only map[string]string) {
	if len(f.tests) > 0 {
		return f.tests, nil
	}
	designs := []string{design}
	if design == wire.NoDesign {
		designs = wire.Designs
	}
	folders = []string{"tests/timens", "tests/clone3"}
	for _, d := range designs {
		folders = append(folders, "tests/"+d)
	}
	only = make(map[string]string)
	for _, folder := range slices.Clone(folders) {
		folders = append(folders, folder+wire.I386)
		only[folder+wire.I386] = wire.Virtual
	}
	return append(folders, "tests/"+wire.Kselftest), only
}

// fragments are the paths of all kconfig fragments, in order.
func (f *flags) fragments(root string) ([]string, error) {
	var paths []string
	for _, name := range defaultFragments {
		paths = append(paths, filepath.Join(root, "kconfig", name+".config"))
	}
	configs := f.configs
	if f.coverage {
		configs = append(slices.Clone(configs), "coverage")
	}
	for _, given := range configs {
		path := given
		if !strings.ContainsAny(given, "/.") {
			path = filepath.Join(root, "kconfig", given+".config")
		}
		if _, err := os.Stat(path); err != nil {
			return nil, usagef("-config %s: %w%s", given, err, knownFragments(root))
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func knownFragments(root string) string {
	found, err := fs.Glob(os.DirFS(filepath.Join(root, "kconfig")), "*.config")
	if err != nil || len(found) == 0 {
		return ""
	}
	return "; kconfig/ holds " + strings.Join(found, ", ")
}
