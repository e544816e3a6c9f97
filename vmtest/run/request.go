// SPDX-License-Identifier: BSD-3-Clause

// Package run turns a Request into a folder of evidence and, by the judge, into a
// Result: it applies, builds, boots and judges.
package run

import (
	"regexp"
	"slices"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/kernel/source"
)

// Request says what a run is. It is inert: nothing is fetched, built or booted
// before it is given to Judge, Remembered, Compare or Shell.
type Request struct {
	Checkout Checkout     // holds the tests
	Base     source.Spec  // zero: Debian's package
	Series   patch.Series // Expect is complete: what every kernel gets wrong is in it
	Config   kconfig.Config
	Allow    []byte // text of the allow file

	// Design is the way in which clone3() takes offsets. Empty: the series says it,
	// or else the headers of the tree do.
	Design string

	Tests   []string               // test packages' folders, see initramfs.Spec; nil: those of the design
	Match   *regexp.Regexp         // only tests whose name matches; nil: all
	Without func(wire.TestID) bool // tests that are left out; nil: none
	Timeout time.Duration          // guest time after which a test is killed; zero: DefaultTimeout
	Long    time.Duration          // guest time that tests of long waits take in the lane virtual; zero: DefaultLong

	Lanes    []string // wire.Real and wire.Virtual, side by side; at least one
	Accel    string   // of the lane real: vm.Auto, vm.KVM or vm.TCG
	Coverage bool     // measure which of the changed lines run; Config has the options for it
	Forget   bool     // do not keep a kernel that had to be built
	Verbose  bool     // report every test that ends
	Command  []string // what the user typed, for the record

	settled bool // Series has its design, and what is expected with it
}

// DefaultTimeout is that of a test, in guest time.
const DefaultTimeout = 30 * time.Second

// DefaultLong is how long the tests of long waits take, in guest time.
const DefaultLong = 24 * time.Hour

// testFolders are the test packages for a design, and which of them one lane
// only runs. Under QEMU's emulation with several threads one of some hundred
// 32-bit programs ends by a SIGTRAP, its EFLAGS full of ones after a CMPXCHG8B:
// so these stay out of the lane real unless they are asked for. Where clone3()
// takes no offsets, the tests of every design have to fail.
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
	only = make(map[string]string)
	for _, folder := range slices.Clone(folders) {
		folders = append(folders, folder+wire.I386)
		only[folder+wire.I386] = wire.Virtual
	}
	return append(folders, "tests/"+wire.Kselftest), only
}
