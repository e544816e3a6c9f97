// SPDX-License-Identifier: BSD-3-Clause

// Package flags turns the flags of a command into Requests. It reads and checks the flags,
// loads the series that they name, and decides whether these are built in a sandbox.
package flags

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/store"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/vm"
)

// List is a flag that may be repeated, and each value may hold several by commas.
// A path that exists is taken as it is, with its commas.
type List []string

func (l *List) String() string { return strings.Join(*l, ",") }

func (l *List) Set(value string) error {
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

func (l *List) repeatable() {}

// Paths is a flag that may be repeated. A path may hold commas.
type Paths []string

func (p *Paths) String() string { return strings.Join(*p, " ") }

func (p *Paths) Set(value string) error {
	*p = append(*p, value)
	return nil
}

func (p *Paths) repeatable() {}

// DefaultSeries is the series that "make vmtest" tests.
const DefaultSeries = "timens-offset"

// Lanes are the lanes that each value of -lane stands for.
var Lanes = map[string][]string{
	wire.Real:    {wire.Real},
	wire.Virtual: {wire.Virtual},
	Both:         {wire.Real, wire.Virtual},
}

// Both is the value of -lane for both lanes.
const Both = "both"

// Command is what a user typed behind the name of a verb, and what the flags are applied
// to. Each verb registers the flags that it reads, Parse sets them, and Check checks and
// completes them.
type Command struct {
	Series   List
	Bases    List        // names of the bases
	Source   source.Spec // the first of the bases
	Commits  string      // of Source.Tree
	MakeVars Paths
	Configs  Paths
	Start    string // path of the .config that the fragments go on top of; "" for tinyconfig
	Lane     string
	Accel    string
	Run      string
	Tests    List
	Design   string
	Timeout  time.Duration
	Long     time.Duration
	Results  string
	Sandbox  string
	Limits   string
	Bounds   sandbox.Limits // what Limits says
	Store    *store.Store   // nil without -store

	Given []string // the flags as they were typed

	// Checkout is that of this project, and Host is what every stage stands on. The caller
	// sets them.
	Checkout run.Checkout
	Host     host.Host

	patches   Paths
	baseSpecs []source.Spec // what Bases says
	prebuilt  string        // absolute; "" for none
	storeAt   string        // what Store is opened from
	failFast  bool
	order     string
	forget    bool
	verbose   bool
	coverage  bool
	trailers  bool
	guest     vm.Change
	memory    memory
	shards    shards
	with      List
	share     string
	patchStop bool   // -break-patch
	keeps     bool   // the verb keeps what comes of it in Results
	vmcore    string // format, see run.Request
	trace     List   // see run.Request
	record    bool
	match     *regexp.Regexp  // of Run
	set       map[string]bool // the names of the flags that were given
	piped     string          // folder of the mailbox that came by standard input; "" if none did
}

// Has reports whether a flag was given.
func (c *Command) Has(name string) bool { return c.set[name] }

// RegisterKernel registers the flags that say which kernel is made, of what and how.
func (c *Command) RegisterKernel(set *flag.FlagSet) {
	set.Var(&c.Series, "series", "`NAME|FOLDER|FILE.mbox` to apply, or - for a mailbox on standard input; repeat it or use commas for several (default "+DefaultSeries+"; with -tree none)")
	set.Var(&c.patches, "patch", "`FILE` of one patch or more to apply on top of the series; may be repeated")
	c.RegisterTrailers(set)
	c.RegisterTree(set)
	c.RegisterBase(set)
	c.RegisterSandbox(set)
	c.RegisterConfig(set)
}

// RegisterBuild registers -build. A verb that builds several kernels, or one of a kind of its own,
// has no use for it.
func (c *Command) RegisterBuild(set *flag.FlagSet) {
	set.StringVar(&c.prebuilt, "build", "", "test the kernel that you have built in `DIR`, from the tree that it belongs to or -tree names; nothing is built")
}

// RegisterTrailers registers -trailers.
func (c *Command) RegisterTrailers(set *flag.FlagSet) {
	set.BoolVar(&c.trailers, "trailers", false, "put the trailers that replies in a mailbox give (Reviewed-by and the like) into the changelogs, as b4 does")
}

// RegisterMake registers -make.
func (c *Command) RegisterMake(set *flag.FlagSet) {
	set.Var(&c.MakeVars, "make", "`VAR=VALUE` to add to make's command line, such as LLVM=1 or CC='ccache gcc'; may be repeated")
}

// RegisterConfig registers the flags of the configuration.
func (c *Command) RegisterConfig(set *flag.FlagSet) {
	c.RegisterMake(set)
	set.StringVar(&c.Start, "config-base", "", "begin with the .config or defconfig `FILE` instead of tinyconfig; the fragments go on top")
	set.Var(&c.Configs, "config", "extra kconfig fragment, a `FILE` or the name of one in kconfig/; may be repeated")
}

// RegisterTree registers the flags of a checkout of the kernel.
func (c *Command) RegisterTree(set *flag.FlagSet) {
	set.StringVar(&c.Source.Tree, "tree", "", "test the kernel checkout in `DIR` as it stands instead of "+source.DefaultPackage+"; it is never written to")
	set.StringVar(&c.Commits, "range", "", "take the commits `BASE..HEAD` of the git tree that -tree names as the series, and BASE as its base")
}

// RegisterBase registers the flags that name a base other than a checkout.
func (c *Command) RegisterBase(set *flag.FlagSet) {
	set.Var(&c.Bases, "base", "`NAME` of the kernel that is the base (default 6.12): "+source.Names+"; run takes several, by commas")
	set.StringVar(&c.Source.URL, "tarball", "", "take the base from the tarball at `URL` instead of "+source.DefaultPackage+"; needs -sha256")
	set.StringVar(&c.Source.SHA256, "sha256", "", "`DIGEST` of the tarball in hex")
}

// RegisterSandbox registers the flags of the sandbox.
func (c *Command) RegisterSandbox(set *flag.FlagSet) {
	set.StringVar(&c.Sandbox, "sandbox", "auto", "`auto|on|off`: apply and build without network and with nothing writable but the build folder; auto goes without for series of this checkout where it cannot be had")
	set.StringVar(&c.Limits, "sandbox-limits", "", "`NAME=VALUE,...|none`: what one command in the sandbox may use before it is ended, of "+sandbox.LimitNames+"; none is no bound (default what docs/sandbox.md says)")
}

// RegisterSuites registers the flags that say which test packages the guest gets.
func (c *Command) RegisterSuites(set *flag.FlagSet) {
	set.Var(&c.Tests, "tests", "test package `FOLDER`s, with "+wire.I386+" behind one that is to be built for 32 bits (default tests/timens, tests/clone3, that of the design and tests/kselftest, for 64 bits and, in the lane virtual, for 32)")
	set.StringVar(&c.Design, "design", "", "`NAME` of the way in which clone3() takes offsets (default what the series' file design says, or the one whose members the headers of its kernel have, or "+wire.NoDesign+")")
}

// RegisterTests registers the flags that say which tests run, and for how long.
func (c *Command) RegisterTests(set *flag.FlagSet) {
	set.StringVar(&c.Run, "run", "", "run only the tests whose package.Name matches `REGEXP`")
	set.DurationVar(&c.Timeout, "timeout", run.DefaultTimeout, "`TIME` after which a test is killed: the guest's, and some time later the host's; with PROVE_LOCKING six times that; in the lane virtual twice -long is added to the guest's")
}

// RegisterGuest registers the flags that change the guest.
func (c *Command) RegisterGuest(set *flag.FlagSet) {
	set.IntVar(&c.guest.CPUs, "smp", 0, "give the guest `N` CPUs (default 2, and 1 in the lane virtual); the run is not standard")
	set.Var(&c.memory, "memory", "give the guest `SIZE` of memory, such as 1G or 768M (default 512M); the run is not standard")
	set.Var((*Paths)(&c.guest.Append), "append", "add `PARAMETER`s to the kernel's command line; may be repeated; the run is not standard")
	set.Var((*Paths)(&c.guest.QEMUArgs), "qemu-arg", "add one `WORD` to QEMU's command line, such as -qemu-arg -d -qemu-arg int; may be repeated; the run is not standard")
}

// RegisterGDB registers the flags of the user's debugger.
func (c *Command) RegisterGDB(set *flag.FlagSet) {
	set.Var(optional{value: &c.guest.GDB, alone: vm.AnySocket}, "gdb", "let the guest wait for gdb, and print what to type: -gdb for a UNIX socket, -gdb=PORT for a port of this machine; the run is not standard")
	set.BoolVar(&c.patchStop, "break-patch", false, "let gdb stop the guest in the functions that the series changes; needs -gdb")
}

// GDB returns what -gdb says, for vm.Change, and whether gdb is to stop in what the series changes.
func (c *Command) GDB() (where string, breakPatch bool) { return c.guest.GDB, c.patchStop }

// RegisterVmcore registers -vmcore.
func (c *Command) RegisterVmcore(set *flag.FlagSet) {
	set.Var(optional{&c.vmcore, vm.Kdump, []string{vm.Kdump, vm.ELF}}, "vmcore", "keep the memory of the first guest of each lane that dies or hangs: -vmcore compressed for crash and drgn, -vmcore=elf for gdb and drgn")
}

// RegisterTrace registers -trace.
func (c *Command) RegisterTrace(set *flag.FlagSet) {
	set.Var(&c.trace, "trace", "record `patch|FUNCTION|EVENT` with ftrace while each test runs, and keep what was recorded of those that are not as expected: the calls of what the series changes, of functions such as copy_time_ns or timens_*, or events such as timer:hrtimer_start; repeat it or use commas; the kernel is one with ftrace")
}

// Vmcore returns the format that -vmcore says; "": none.
func (c *Command) Vmcore() string { return c.vmcore }

// RegisterGuestFiles registers the flags that give the guest files of the host.
func (c *Command) RegisterGuestFiles(set *flag.FlagSet) {
	set.Var(&c.with, "with", "`PROGRAM` of this machine, a name or a path, that the guest gets with its libraries; may be repeated")
	set.StringVar(&c.share, "share", "", "`DIR` of this machine whose files the guest finds, as they are now and read-only, in "+wire.ShareDir)
}

// With returns the programs that -with names.
func (c *Command) With() []string { return c.with }

// Share returns the folder that -share names.
func (c *Command) Share() string { return c.share }

// RegisterBoot registers -accel.
func (c *Command) RegisterBoot(set *flag.FlagSet) {
	set.StringVar(&c.Accel, "accel", vm.Auto, "`auto|kvm|tcg`")
}

// RegisterResults registers -results and the flags of the lanes.
func (c *Command) RegisterResults(set *flag.FlagSet) {
	c.RegisterLane(set)
	c.keeps = true
	set.StringVar(&c.Results, "results", "", "`DIR` that takes one folder a run (default results/ of the checkout)")
}

// RegisterRun registers the flags that a run alone has.
func (c *Command) RegisterRun(set *flag.FlagSet) {
	set.BoolVar(&c.coverage, "coverage", false, "measure which of the lines that the series changes are run by the tests, and fail below its floor")
	set.BoolVar(&c.failFast, "fail-fast", false, "stop at the first test that is not as expected, or at the first splat; what did not run is no pass")
	set.StringVar(&c.order, "order", run.Likely, "`likely|reached|source`: run first the tests that are likely to notice what differs from the last kernel that passed, or with likely=NAME,... that the functions with these names are wrong; or those that reach it, whatever breaks of the kernel have shown; or keep the order of the sources")
	set.BoolVar(&c.record, "record", false, "have QEMU record the guests, so that \"vmtest debug -replay\" runs them again to the same instruction; needs -lane virtual")
	set.BoolVar(&c.forget, "forget", false, "do not keep a kernel that this run had to build: nobody will want it again")
}

// RegisterLane registers the flags of the lanes.
func (c *Command) RegisterLane(set *flag.FlagSet) {
	set.StringVar(&c.Lane, "lane", Both, "`real|virtual|both`: guest time is host time, or instructions executed, or one of each side by side")
	set.DurationVar(&c.Long, "long", run.DefaultLong, "guest `TIME` that the tests of long waits take in the lane virtual")
	set.Var(&c.shards, "shards", "split the tests of each lane over guests that run side by side: `N|auto`; auto takes as many as this machine has CPUs and memory for (default 1)")
}

// RegisterVerbose registers -v.
func (c *Command) RegisterVerbose(set *flag.FlagSet) {
	set.BoolVar(&c.verbose, "v", false, "show what the kernel and each test print while they run, and how the test's process ended")
}
