// SPDX-License-Identifier: BSD-3-Clause

// Package run does what a Request says: it applies the series, builds the kernel, boots it
// and leaves a folder of evidence. Package verdict judges the folder, which gives the
// Result.
package run

import (
	"regexp"
	"slices"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
	"timens-vmtest/kernel/series"
	"timens-vmtest/kernel/source"
	"timens-vmtest/vmtest/vm"
)

// Request says what a run is. The folder of a run keeps it, but for the members that other files
// there have, or that do not matter once the run is over. A Request alone does nothing: a function such as Judge,
// Remembered, Compare or Shell fetches, builds and boots. Checkout, Series, Config and
// Lanes have to be set.
type Request struct {
	Checkout Checkout      `json:"-"` // the checkout with the tests
	Base     source.Spec   // where the base comes from; zero: Debian's package
	Series   series.Series `json:"-"` // its Expect also has what every kernel gets wrong; see Checkout.Complete
	Config   kconfig.Config
	Make     kbuild.MakeVars // variables for make; nil: none
	Allow    []byte          `json:"-"` // text of the allow file

	// Prebuilt is the folder of a kernel that the user has built from the tree of Base; empty:
	// the kernel is built.
	Prebuilt string

	// Design is the way in which clone3() takes offsets, one of wire.Designs or
	// wire.NoDesign. If it is empty, the design of the series is taken. If that is empty,
	// too, the headers of the tree tell it.
	Design string

	Tests   []string               // folders of test packages, see initramfs.Spec; nil: those of the design
	Match   *regexp.Regexp         // only tests whose "package.Name" matches run; nil: all
	Without func(wire.TestID) bool `json:"-"` // reports whether a test is left out; nil: none is
	Timeout time.Duration          // guest time after which a test is killed; zero: DefaultTimeout
	Long    time.Duration          // guest time that tests of long waits wait in the virtual lane; zero: DefaultLong

	Lanes       []string // wire.Real, wire.Virtual or both, which then run side by side
	Accel       string   // of the real lane: vm.Auto, vm.KVM or vm.TCG
	Coverage    bool     // measure which of the changed lines run; Config must have the options for it
	ShareKernel bool     `json:"-"` // the kernel may be put into the store, see kernel.Spec
	Forget      bool     // delete the kernel from the cache after the run, if the run built it
	Order       string   // BySource, Likely or Reached; empty: BySource, and later runs learn nothing of this one
	Profile     []string // sources that count which of their functions run; Config must have the options for it
	Shards      int      `json:",omitempty"` // over how many guests that run side by side each lane is split; 0 and 1: one; or AutoShards
	FailFast    bool     // stop at the first test that is not as expected, and at the first splat
	Verbose     bool     `json:"-"` // report what the kernel and each test print, and how the test's process ended
	Command     []string `json:"-"` // what the user typed; the run records it

	Trace      []string  `json:",omitempty"` // what ftrace records while each test runs, see TracePatch; Config must have the options for it; nil: nothing
	Guest      vm.Change // what the user changes of the guest; such a run is not standard
	With       []string  `json:"-"` // of a shell: programs of the host, by name or path, that the guest gets
	Vmcore     string    `json:"-"` // format of the vmcore that the first guest of a lane leaves that dies, vm.Kdump or vm.ELF; "": none does
	Record     bool      `json:"-"` // have QEMU record the guests of the virtual lane, for Debugging.Replay
	BreakPatch bool      `json:"-"` // let the user's gdb stop in the functions that the series changes
	Share      string    `json:"-"` // of a shell: folder of the host whose files the guest gets; "": none

	settled bool // Series.Design is set, and Series.Expect is that for the design
}

// DefaultTimeout is the guest time after which a test is killed, if the Request does not
// say it.
const DefaultTimeout = 30 * time.Second

// DefaultLong is the guest time that tests of long waits wait, if the Request does not say
// it.
const DefaultLong = 24 * time.Hour

// What a run is likely to need beside its guests, in MB. All processes of a run of .ci/run on two
// cores were added up every 2.5 seconds, for the default configuration on 6.12: 620 MB while a kernel
// was built (two compilers of 190 MB, and this program), and 1070 MB while two guests ran, one for
// each lane. The margin is for the debug configuration, which was not measured, for the page cache,
// and for what happened between two looks.
const (
	ownMB      = 512
	compilerMB = 256
)

// BuildMB returns how many MB of memory a build on so many cores is likely to need.
func BuildMB(cores int) int { return ownMB + compilerMB*max(1, cores) }

// MemoryMB returns how many MB of memory the run is likely to need on so many cores: first to
// build, and then for its guests.
func (r Request) MemoryMB(cores int) int {
	shards := max(1, r.Shards)
	if r.Shards == AutoShards {
		shards, _, _ = r.Guest.Beside(cores, r.Lanes) // 1 if the memory is not known
	}
	return max(BuildMB(cores), ownMB+shards*r.Guest.NeededMB(r.Lanes))
}

// testFolders returns the folders of the test packages for a design. only has the lane of
// each package that runs in one lane alone. 32-bit programs run only in the virtual lane,
// unless the user asks for them: under QEMU's emulation with several threads, one of some
// hundred of them ends by SIGTRAP, with EFLAGS full of ones after a CMPXCHG8B. It seems that QEMU
// 7.2 takes the flags from an older instruction there: it calls gen_helper_cmpxchg8b_unlocked()
// without gen_update_cc_op(), and an interrupt right after it shows them. If clone3()
// takes no offsets, the tests of all designs run, and have to fail.
func (r Request) testFolders(design string) (folders []string, only map[string]string) {
	if len(r.Tests) > 0 {
		return r.Tests, nil
	}
	designs := []string{design}
	if design == wire.NoDesign {
		designs = wire.Designs
	}
	folders = []string{"tests/timens", "tests/clone3"}
	for _, d := range designs {
		folders = append(folders, "tests/"+d)
	}
	folders = append(folders, "tests/"+wire.Kselftest)
	only = make(map[string]string)
	for _, folder := range slices.Clone(folders) {
		folders = append(folders, folder+wire.I386)
		only[folder+wire.I386] = wire.Virtual
	}
	return folders, only
}
