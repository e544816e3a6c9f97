// SPDX-License-Identifier: BSD-3-Clause

// Package wire is the contract between the host and the guest: the plan that
// the host puts into the initramfs, and the records that the guest writes to
// its second UART, and the files of evidence. It decides nothing.
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

// Schema is the version of Plan and Record. The guest refuses a plan, and the
// judge a record stream, of another version.
const Schema = 2

// PlanPath is where the guest finds its plan.
const PlanPath = "/etc/plan.json"

// KeyPath is where the guest finds the run's key, which it removes before the
// first test. Its last record repeats the key, and so does each of a file that a
// test has left: tests cannot write those records.
const KeyPath = "/etc/key"

// TestDir is the guest's folder of test binaries, one "<package>.test" each.
const TestDir = "/tests"

// I386 ends the name of a test package that is built as a 32-bit program:
// "timens/386" has the same tests as "timens".
const I386 = "/386"

// Kselftest is the test package that runs the kernel's own selftests, which it
// finds in KselftestDir, "<suite>/<program>".
const (
	Kselftest    = "kselftest"
	KselftestDir = "/kselftest"
)

// KselftestSuites are the suites that it runs.
var KselftestSuites = []string{"clone3", "timens"}

// TestBinary is the guest's path of the test binary of a package.
func TestBinary(pkg string) string {
	if name, ok := strings.CutSuffix(pkg, I386); ok {
		return TestDir + I386 + "/" + name + ".test"
	}
	return TestDir + "/" + pkg + ".test"
}

// FirstTest is a link to the test binary that the plan starts with.
const FirstTest = TestDir + "/first"

// BootParam is the kernel parameter with a random value for every boot, which
// hello repeats: records of another boot of the same plan are not evidence.
const BootParam = "vmtest.boot"

// FromParam is the kernel parameter with the index of the first test to run.
// It is above 0 when an earlier boot ended within a test: a new boot goes on
// with the next one.
const FromParam = "vmtest.from"

// LaneParam is the kernel parameter with the lane, which hello repeats and each
// test finds in the environment as LaneEnv.
const (
	LaneParam = "vmtest.lane"
	LaneEnv   = "VMTEST_LANE"
)

// LongParam is the kernel parameter with how long, in guest time, the tests that
// wait for long do so in the virtual lane. Each test finds it as LongEnv.
const (
	LongParam = "vmtest.long"
	LongEnv   = "VMTEST_LONG"
)

// Lanes: two kinds of time in which a plan can run.
const (
	Real    = "real"    // guest time is host time, and a busy host shows
	Virtual = "virtual" // guest time is instructions executed, and jumps over idle
)

// CheckedFactor is how many times longer a test may take in real time when the
// kernel looks for its own faults (lockdep, KASAN and the like).
const CheckedFactor = 6

// EdgeStep is how often the guest looks, in the virtual lane, whether QEMU's
// clock begins a second. In the real lane, where waiting costs time, Record.RTC
// is any moment of its second.
const EdgeStep = 5 * time.Millisecond

// LatenessAttr is the attribute (testing.T.Attr) in which a test says how late a
// waiter noticed its deadline, in seconds. A test may have any number of them.
const LatenessAttr = "lateness_s"

// Overdue is what the host writes to the second UART when a test takes too long
// by the host's clock: the guest is to end the test whose start has this
// number, as if it were over its time by the guest's.
func Overdue(seq int) []byte { return fmt.Appendf(nil, "overdue %d\n", seq) }

// ParseOverdue is the inverse of Overdue.
func ParseOverdue(line []byte) (seq int, err error) {
	_, err = fmt.Sscanf(string(line), "overdue %d", &seq)
	return seq, err
}

// Designs are the ways in which a series may let clone3() take the offsets of a
// time namespace. Each has tests of its own in tests/<design>; all other tests
// find the kernel's in the environment as DesignEnv.
var Designs = []string{TimensOffset, InlineNS, Namespaces}

// The names of Designs. tests/internal/design says what each of them is.
const (
	TimensOffset = "timens-offset"
	InlineNS     = "inline-ns"
	Namespaces   = "namespaces"
)

// NoDesign is that of a kernel whose clone3() takes no offsets. The tests of
// all designs are for it: none of them may pass.
const NoDesign = "none"

// DesignEnv is the environment variable that tells a test the plan's design.
const DesignEnv = "VMTEST_DESIGN"

// GcovDir is where a kernel with CONFIG_GCOV_KERNEL shows what ran.
const GcovDir = "/sys/kernel/debug/gcov"

// RecordTTY is the guest's end of the UART that carries records.
const RecordTTY = "/dev/ttyS1"

// OutputLimit is how many bytes of a test's output the guest passes on before
// it begins to drop; OutputTail is how many of the last bytes it passes on
// then, so that the test's own result line is not lost.
const (
	OutputLimit = 256 << 10
	OutputTail  = 4 << 10
)

// Plan says what must happen in one boot.
type Plan struct {
	Schema int    `json:"schema"`
	ID     string `json:"id"` // digest of the tests and of their binaries; hello repeats it
	Design string `json:"design"`

	// Tests are run in this order, each in a process of its own; those for a
	// later guest come last. An empty list is an error everywhere.
	Tests []Test `json:"tests"`

	// Filtered are the tests that exist but that -run left out, or that are for
	// another configuration of the kernel. They are not run; an expectation may
	// name them without being called useless.
	Filtered []TestID `json:"filtered,omitempty"`

	// LeftOut are the test packages that -tests left out as a whole.
	LeftOut []string `json:"left_out,omitempty"`
}

// TestID names a top-level Go test.
type TestID struct {
	Package string `json:"package"` // last element of the import path, and I386 where that applies
	Name    string `json:"name"`
}

func (t TestID) String() string { return t.Package + "." + t.Name }

// Test is one planned test.
type Test struct {
	TestID
	TimeoutS float64 `json:"timeout_s"`      // seconds; the guest kills the test after it
	Lane     string  `json:"lane,omitempty"` // the only lane that runs it; empty: each does

	// After names a test of the same package that leaves files which this one
	// finds. It is run in a later guest, which boots when the others have run.
	After string `json:"after,omitempty"`
}

// In is the part of the plan that a lane runs. An expectation may name the rest.
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
	return p
}

// Before is the test that has left files for this one.
func (t Test) Before() TestID { return TestID{t.Package, t.After} }

// Record types, in the order in which a stream has them: hello, then for every
// planned test start, output..., left..., counts..., end, and at last done. Only a
// kernel with CONFIG_GCOV_KERNEL has counts, at least one a test. Trouble may come at any
// point and means that the guest could not do its part.
const (
	TypeHello   = "hello"
	TypeStart   = "start"
	TypeOutput  = "output"
	TypeLeft    = "left"
	TypeCounts  = "counts"
	TypeEnd     = "end"
	TypeDone    = "done"
	TypeTrouble = "trouble"
)

// Record is one line of the stream: a fact, never an opinion.
type Record struct {
	Seq  int    `json:"seq"` // 0, 1, 2, ...: a lost line shows
	Type string `json:"type"`

	*Hello         // type hello
	*TestID        // types start, output, left, counts, end
	*End           // type end
	Data    []byte `json:"data,omitempty"`  // in base64; type output: bytes the test printed; type left: the file; type counts: the file, by gzip
	Path    string `json:"path,omitempty"`  // type left: name of a file that the test has left; type counts: name of gcov's file with what ran during the test, below GcovDir
	Count   *int   `json:"count,omitempty"` // type done: tests that were ended
	Key     string `json:"key,omitempty"`   // types left, done: what stood in KeyPath
	Text    string `json:"text,omitempty"`  // type trouble
	Taint   *int64 `json:"taint,omitempty"` // types hello, start, end, done: /proc/sys/kernel/tainted

	// RTC is what the machine's clock chip shows, in seconds since 1970, for
	// types hello and done. It is QEMU's, and not the kernel's under test.
	RTC *int64 `json:"rtc_s,omitempty"`
	// RTCWithinS is how many seconds before UptimeS that second began at most, in
	// the virtual lane.
	RTCWithinS float64 `json:"rtc_within_s,omitempty"`

	// UptimeS is CLOCK_MONOTONIC in seconds when the record was written.
	UptimeS float64 `json:"uptime_s"`
}

// Hello is what the guest says of itself before the first test.
type Hello struct {
	Schema       int    `json:"schema"`
	PlanID       string `json:"plan_id"`
	BootID       string `json:"boot_id"`  // value of BootParam
	From         int    `json:"from"`     // value of FromParam
	Lane         string `json:"lane"`     // value of LaneParam
	Release      string `json:"release"`  // uname -r
	Version      string `json:"version"`  // uname -v
	BuildID      string `json:"build_id"` // of the running kernel, from /sys/kernel/notes
	Clocksource  string `json:"clocksource"`
	ConfigSHA256 string `json:"config_sha256"`     // of /proc/config.gz, unpacked
	Carried      string `json:"carried,omitempty"` // digest of the files in CarriedDir
}

// End is how a test's process ended.
type End struct {
	Exit      int     `json:"exit"`             // exit status; -1 when a signal ended it
	Signal    string  `json:"signal,omitempty"` // name of that signal, such as "SIGSEGV"
	TimedOut  bool    `json:"timed_out,omitempty"`
	DurationS float64 `json:"duration_s"`              // guest seconds, CLOCK_MONOTONIC
	Dropped   int64   `json:"dropped_bytes,omitempty"` // output beyond OutputLimit, cut out of its middle
}

// ParseRecord decodes one line, without its newline. Unknown members are an
// error: a record that says more than we read is not ours.
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
	case TypeEnd:
		if r.TestID == nil || r.End == nil || r.Taint == nil {
			return missing("test, exit or taint")
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
