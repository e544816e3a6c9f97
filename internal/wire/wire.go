// SPDX-License-Identifier: BSD-3-Clause

// Package wire is the contract between the host and the guest: the plan that the host
// puts into the initramfs, the records that the guest writes to its second UART, and
// the files of evidence. It also compares how the kernel and the tests lay out the
// structures of clone3(). It does not judge a run: package verdict does.
package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Schema is the version of Plan and Record. The guest refuses a plan of another version,
// and the judge refuses a record stream of another version.
const Schema = 2

// PlanPath is the guest's file with the Plan.
const PlanPath = "/etc/plan.json"

// KeyPath is the guest's file with the key of the run. The guest removes the file before
// the first test, and repeats the key in the record done and in each record of a file
// that a test has left. So a test cannot write these records.
const KeyPath = "/etc/key"

// TestDir is the guest's folder of test binaries. Each is named "<package>.test".
const TestDir = "/tests"

// I386 is the suffix of a test package that is built as a 32-bit program: "timens/386"
// has the same tests as "timens".
const I386 = "/386"

// Kselftest is the test package that runs the kernel's own selftests. They are in the
// guest's folder KselftestDir, named "<GOARCH of the package>/<suite>/<program>".
const (
	Kselftest    = "kselftest"
	KselftestDir = "/kselftest"
)

// KselftestSuites are the suites of the kernel's own selftests that run in the guest.
var KselftestSuites = []string{"clone3", "timens"}

// TestBinary returns the guest's path of the test binary of a package, such as "timens"
// or "timens/386".
func TestBinary(pkg string) string {
	if name, ok := strings.CutSuffix(pkg, I386); ok {
		return TestDir + I386 + "/" + name + ".test"
	}
	return TestDir + "/" + pkg + ".test"
}

// FirstTest is the guest's link to the test binary of the plan's first test.
const FirstTest = TestDir + "/first"

// BootParam is the kernel parameter with the ID of the boot, a random value. The record
// hello repeats it, so that the records of another boot of the same plan are not taken
// as evidence.
const BootParam = "vmtest.boot"

// FromParam is the kernel parameter with the index of the first test to run. It is above
// 0 if this boot runs the tests that earlier boots have not run: one ended within a
// test, or the rest is for a later guest.
const FromParam = "vmtest.from"

// LaneParam is the kernel parameter with the lane. The record hello repeats it, and each
// test finds it in the environment variable LaneEnv.
const (
	LaneParam = "vmtest.lane"
	LaneEnv   = "VMTEST_LANE"
)

// LongParam is the kernel parameter with the guest time that the tests of long waits
// wait in the virtual lane. Each test finds it in the environment variable LongEnv.
const (
	LongParam = "vmtest.long"
	LongEnv   = "VMTEST_LONG"
)

// The lanes in which a plan can run. They differ in what guest time is.
const (
	Real    = "real"    // guest time is host time; tests take longer on a busy host
	Virtual = "virtual" // guest time counts executed instructions, and skips the time in which every CPU is idle
)

// CheckedFactor is how many times longer a test may take, and may wait in the real lane,
// on a kernel that looks for its own faults (lockdep, KASAN and the like). Such a kernel
// is slower.
const CheckedFactor = 6

// EdgeStep is how often the guest reads QEMU's clock chip in the virtual lane, until the
// chip begins a new second. In the real lane the guest does not wait, because waiting
// takes host time: there Record.RTC was read at any moment of its second.
const EdgeStep = 5 * time.Millisecond

// LatenessAttr is the attribute (testing.T.Attr) with how late a waiter noticed its
// deadline, in seconds. A test may report any number of them.
const LatenessAttr = "lateness_s"

// Overdue returns the line that the host writes to the second UART when a test takes too
// long by the host's clock. seq is the number of the test's record start. The guest
// then ends the test as if its timeout had passed.
func Overdue(seq int) []byte { return fmt.Appendf(nil, "overdue %d\n", seq) }

// ParseOverdue reads a line that Overdue has made, and returns its number.
func ParseOverdue(line []byte) (seq int, err error) {
	_, err = fmt.Sscanf(string(line), "overdue %d", &seq)
	return seq, err
}

// Designs are the ways in which a series may let clone3() take the offsets of a time
// namespace. Each has tests of its own in tests/<design>. The other tests find the
// design of the kernel in the environment variable DesignEnv.
var Designs = []string{TimensOffset, InlineNS, Namespaces}

// The names of the designs. Package tests/internal/design explains each of them.
const (
	TimensOffset = "timens-offset"
	InlineNS     = "inline-ns"
	Namespaces   = "namespaces"
)

// NoDesign is the design of a kernel whose clone3() takes no offsets. It runs the tests
// of all designs, and they have to fail.
const NoDesign = "none"

// DesignEnv is the environment variable in which a test finds the design of its plan.
const DesignEnv = "VMTEST_DESIGN"

// CloneFlagsEnv is the environment variable in which a test finds the member CloneFlags of
// its plan, as a decimal number.
const CloneFlagsEnv = "VMTEST_CLONE_FLAGS"

// GcovDir is the guest's folder in which a kernel with CONFIG_GCOV_KERNEL shows how often
// each part of its code ran.
const GcovDir = "/sys/kernel/debug/gcov"

// RecordTTY is the guest's device of the second UART, which carries the records.
const RecordTTY = "/dev/ttyS1"

// OutputLimit is how many bytes of a test's output the guest passes on before it drops
// output. OutputTail is how many of the last bytes the guest passes on after that, so
// that the result line of the test is not lost.
const (
	OutputLimit = 256 << 10
	OutputTail  = 4 << 10
)

// Plan says what must happen in a run. Its zero value has no tests, which is an error.
type Plan struct {
	Schema int    `json:"schema"`
	ID     string `json:"id"` // digest of the tests and of their binaries; hello repeats it
	Design string `json:"design"`

	// CloneFlags has a bit for each flag of clone3() above the lower 32 bits that the
	// headers of the kernel define.
	CloneFlags uint64 `json:"clone_flags,omitempty"`

	// Tests run in this order, each in a process of its own. The tests for a later
	// guest come last. An empty list is an error everywhere.
	Tests []Test `json:"tests"`

	// Shards has each lane that is split over several guests. A lane that is not split is absent.
	Shards map[string]Shards `json:"shards,omitempty"`

	// Filtered are tests that exist and do not run, because -run left them out or
	// because they are for another configuration of the kernel. An expectation may
	// name them: it does not count as an expectation that matches nothing.
	Filtered []TestID `json:"filtered,omitempty"`

	// LeftOut are the test packages that -tests left out as a whole.
	LeftOut []string `json:"left_out,omitempty"`
}

// TestID names a top-level Go test.
type TestID struct {
	Package string `json:"package"` // last element of the import path; with the suffix I386 for a 32-bit program
	Name    string `json:"name"`
}

// String returns "package.Name".
func (t TestID) String() string { return t.Package + "." + t.Name }

// Test is one planned test.
type Test struct {
	TestID
	TimeoutS float64 `json:"timeout_s"`      // guest seconds, after which the guest kills the test
	Lane     string  `json:"lane,omitempty"` // the only lane that runs the test; empty: every lane runs it

	// After names a test of the same package that leaves files for this test. This
	// test runs in a later guest, which boots when the other tests have run.
	After string `json:"after,omitempty"`

	// Quiet names a lane. In that lane no other guest of the lane takes CPUs from this test,
	// because the test fails if it gets too little of the host. Empty: other guests may run.
	Quiet string `json:"quiet,omitempty"`
}

// In returns the plan with only the tests and the shards of a lane. It moves the other tests
// to Filtered, so that an expectation may name them. p is not changed.
func (p Plan) In(lane string) Plan {
	var tests []Test
	filtered := slices.Clone(p.Filtered)
	for _, t := range p.Tests {
		if t.Lane == "" || t.Lane == lane {
			tests = append(tests, t)
		} else {
			filtered = append(filtered, t.TestID)
		}
	}
	p.Tests, p.Filtered = tests, filtered
	if own, ok := p.Shards[lane]; ok {
		p.Shards = map[string]Shards{lane: own}
	} else {
		p.Shards = nil
	}
	return p
}

// Before returns the test that leaves files for this test. Its name is empty if this
// test needs no files.
func (t Test) Before() TestID { return TestID{t.Package, t.After} }

// The types of records. A stream begins with hello. For every planned test it has start,
// any number of output, left and counts, in this order, at most one trace, and end. It ends
// with done. Only a kernel with CONFIG_GCOV_KERNEL has counts, at least one for each test.
// Only a guest with the file TracePath has traces, of the tests that end with another exit
// status than 0. Trouble may come at any point, and means that the guest could not do its part.
const (
	TypeHello   = "hello"
	TypeStart   = "start"
	TypeOutput  = "output"
	TypeLeft    = "left"
	TypeCounts  = "counts"
	TypeTrace   = "trace"
	TypeEnd     = "end"
	TypeDone    = "done"
	TypeTrouble = "trouble"
)

// Record is one line of the stream. It states a fact and does not judge.
type Record struct {
	Seq  int    `json:"seq"` // 0, 1, 2, ...: a gap shows that a line was lost
	Type string `json:"type"`

	*Hello         // type hello
	*TestID        // types start, output, left, counts, trace, end
	*End           // type end
	Data    []byte `json:"data,omitempty"`  // in base64; type output: bytes that the test printed; type left: contents of the file; type counts: contents of gcov's file, compressed by gzip; type trace: text of ftrace, compressed by gzip
	Path    string `json:"path,omitempty"`  // type left: name of a file that the test has left; type counts: path of gcov's file below GcovDir; the file counts what ran during the test
	Count   *int   `json:"count,omitempty"` // type done: number of tests that have ended
	Key     string `json:"key,omitempty"`   // types left, done: contents of the file KeyPath
	Text    string `json:"text,omitempty"`  // type trouble
	Taint   *int64 `json:"taint,omitempty"` // types hello, start, end, done: /proc/sys/kernel/tainted

	// RTC is the time of the machine's clock chip in seconds since 1970, for types
	// hello and done. QEMU keeps this time, and not the kernel under test.
	RTC *int64 `json:"rtc_s,omitempty"`
	// RTCWithinS bounds, in the virtual lane, when the second RTC began: at most this
	// many seconds before UptimeS.
	RTCWithinS float64 `json:"rtc_within_s,omitempty"`

	// UptimeS is CLOCK_MONOTONIC in seconds when the record was written.
	UptimeS float64 `json:"uptime_s"`
}

// Hello describes the guest before the first test.
type Hello struct {
	Schema       int    `json:"schema"`
	PlanID       string `json:"plan_id"`
	BootID       string `json:"boot_id"`         // value of BootParam
	From         int    `json:"from"`            // value of FromParam
	Lane         string `json:"lane"`            // value of LaneParam
	Shard        int    `json:"shard,omitempty"` // value of ShardParam; 0: there is none
	Release      string `json:"release"`         // uname -r
	Version      string `json:"version"`         // uname -v
	BuildID      string `json:"build_id"`        // of the running kernel, from /sys/kernel/notes
	Clocksource  string `json:"clocksource"`
	ConfigSHA256 string `json:"config_sha256"`     // of /proc/config.gz, unpacked
	Carried      string `json:"carried,omitempty"` // digest of the files in CarriedDir
}

// End says how the process of a test ended.
type End struct {
	Exit      int     `json:"exit"`             // exit status; -1 when a signal ended it
	Signal    string  `json:"signal,omitempty"` // name of that signal, such as "SIGSEGV"
	TimedOut  bool    `json:"timed_out,omitempty"`
	DurationS float64 `json:"duration_s"`              // guest seconds, CLOCK_MONOTONIC
	Dropped   int64   `json:"dropped_bytes,omitempty"` // bytes that the guest dropped from the middle of the output; see OutputLimit
	Again     bool    `json:"again,omitempty"`         // the emulator may have ended it, and the guest runs it again; see Tries

	// What the test has done to the guest, and the guest has undone.
	LeftProcesses int      `json:"left_processes,omitempty"` // number of processes that outlived the test, and that the guest killed
	LeftNames     []string `json:"left_names,omitempty"`     // their names, each once; at most LeftNames
	Sysctls       []Sysctl `json:"sysctls,omitempty"`        // settings of the kernel that the test did not put back
}

// LeftNames is how many names of processes End has at most.
const LeftNames = 8

// Sysctl is a setting of the kernel that a test has changed.
type Sysctl struct {
	Name   string `json:"name"` // path below /proc/sys
	Before string `json:"before"`
	After  string `json:"after"`           // when the test had ended
	Stays  bool   `json:"stays,omitempty"` // the guest could not put the value back, so later tests ran with another one
}

// ParseRecord decodes one line of the stream, without its newline. It is an error if the
// type is unknown, if a member is missing that the type needs, or if there is an unknown
// member: only our guest writes records, and it writes no other members.
func ParseRecord(line []byte) (Record, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var r Record
	if err := d.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Record{}, fmt.Errorf("record: text after the JSON value")
	}
	missing := func(what string) (Record, error) {
		return Record{}, fmt.Errorf("record %d: %s without its %s", r.Seq, r.Type, what)
	}
	switch r.Type {
	case TypeHello:
		if r.Hello == nil || r.Taint == nil || r.RTC == nil {
			return missing("facts")
		}
	case TypeStart:
		if r.TestID == nil || r.Taint == nil {
			return missing("test or taint")
		}
	case TypeOutput:
		if r.TestID == nil {
			return missing("test")
		}
	case TypeLeft:
		if r.TestID == nil || r.Key == "" || !plain(r.Path) {
			return missing("test, key or plain name")
		}
	case TypeCounts:
		if r.TestID == nil || r.Path == "" || len(r.Data) == 0 {
			return missing("test, path or data")
		}
	case TypeTrace:
		if r.TestID == nil || len(r.Data) == 0 {
			return missing("test or data")
		}
	case TypeEnd:
		if r.TestID == nil || r.End == nil || r.Taint == nil {
			return missing("test, exit or taint")
		}
		if slices.ContainsFunc(r.End.Sysctls, func(s Sysctl) bool { return s.Name == "" }) {
			return missing("name of a sysctl")
		}
	case TypeDone:
		if r.Count == nil || r.Key == "" || r.Taint == nil || r.RTC == nil {
			return missing("count, key, taint or clock")
		}
	case TypeTrouble:
		if r.Text == "" {
			return missing("text")
		}
	default:
		return Record{}, fmt.Errorf("record %d: unknown type %q", r.Seq, r.Type)
	}
	return r, nil
}
