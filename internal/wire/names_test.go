// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// The host and the guest meet by these names. Names of one kind differ, and have the form that
// the kernel and the programs of the guest need.
func TestNames(t *testing.T) {
	word := func(s string) bool { return s != "" }
	for _, kind := range []struct {
		want  string
		is    func(string) bool
		names []string
	}{
		// A relative path would be another file in the folder of each test.
		{"a path of the guest", absolute, []string{PlanPath, KeyPath, DebugPath, TracePath, ShellPath, TestDir, FirstTest, CarriedDir, ShareDir, KselftestDir, GcovDir, TraceDir, RecordTTY}},
		// The kernel takes a parameter with a dot for one of a module, and does not pass it to init.
		{"vmtest.NAME", prefixed("vmtest."), []string{BootParam, FromParam, LaneParam, LongParam, ShardParam, TriesParam}},
		{"VMTEST_NAME", prefixed("VMTEST_"), []string{LaneEnv, LongEnv, DesignEnv, CloneFlagsEnv, LeaveEnv, LeftEnv, CommandEnv}},
		{"a word", word, []string{FrameReady, FrameTaken, FrameStdout, FrameStderr, FrameExit, FrameTrouble, FrameStart, FrameInput, FrameEnd, FrameSize, FrameRedraw}},
		{"a line", word, []string{ShellBegins, ShellEnds}},
		{"the name of a file", plain, []string{PlanFile, BootFile, ConsoleFile, RecordsFile, QEMUFile, ExitFile, GDBFile, VmcoreFile, ReplayFile, InitramfsFile, DecodedFile, ABIFile}},
	} {
		for i, name := range kind.names {
			if !kind.is(name) {
				t.Errorf("%q is not %s", name, kind.want)
			}
			if slices.Contains(kind.names[:i], name) {
				t.Errorf("%q has two meanings", name)
			}
		}
	}
	if !strings.HasPrefix(FirstTest, TestDir+"/") {
		t.Errorf("the link to the first test is %s, want it in %s", FirstTest, TestDir)
	}
}

func prefixed(with string) func(string) bool {
	return func(s string) bool { return strings.HasPrefix(s, with) && s != with }
}

func absolute(s string) bool { return path.IsAbs(s) && path.Clean(s) == s && s != "/" }

// Stored runs are judged again, by later versions. What stands in their folders, in the files of
// a series and on the pages keeps its name, and the kernel has its own names.
func TestNamesThatStay(t *testing.T) {
	for want, got := range map[string]string{
		// the folder of a run, as docs/results.md lists it
		"abi.json": ABIFile, "plan.json": PlanFile, "boot.json": BootFile, "console.log": ConsoleFile, "records.jsonl": RecordsFile, "decoded.log": DecodedFile,
		"exit.json": ExitFile, "gdb.commands": GDBFile, "replay.log": ReplayFile, "initramfs.cpio": InitramfsFile, "vmcore": VmcoreFile, "qemu.log": QEMUFile,
		"real": Real, "virtual": Virtual,
		// exit.json
		"ended": EndedItself, "boot-timeout": BootTimeout, "test-timeout": TestTimeout, "run-timeout": RunTimeout,
		"stalled": Stalled, "interrupted": Interrupted, "failed fast": FailedFast, "host-trouble": HostTrouble,
		// records.jsonl
		"hello": TypeHello, "start": TypeStart, "output": TypeOutput, "left": TypeLeft, "counts": TypeCounts,
		"trace": TypeTrace, "end": TypeEnd, "done": TypeDone, "trouble": TypeTrouble, "lateness_s": LatenessAttr,
		// the file "design" of a series, and packages in its file "expect"
		"timens-offset": TimensOffset, "inline-ns": InlineNS, "namespaces": Namespaces, "none": NoDesign, "/386": I386, "kselftest": Kselftest,
		// what the user's shell has: see docs/debugging.md and docs/shell.md
		"VMTEST_COMMAND": CommandEnv, "/share": ShareDir,
		// the kernel's
		"/dev/ttyS1": RecordTTY, "/sys/kernel/debug/gcov": GcovDir, "/sys/kernel/tracing": TraceDir,
	} {
		if got != want {
			t.Errorf("%q has become %q", want, got)
		}
	}
	if want := []string{"timens-offset", "inline-ns", "namespaces"}; !slices.Equal(Designs, want) {
		t.Errorf("the designs with tests of their own are %q, want %q", Designs, want)
	}
	if want := []string{"clone3", "timens"}; !slices.Equal(KselftestSuites, want) { // folders of the kernel's tools/testing/selftests
		t.Errorf("the suites are %q, want %q", KselftestSuites, want)
	}
}
