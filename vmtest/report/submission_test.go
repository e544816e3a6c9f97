// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"os/exec"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// submission returns a presubmit of this many patches, all without a fault. Two subjects
// alternate.
func submission(patches int) several.Submission {
	s := several.Submission{
		Series: "timens-offset", Base: "6.12.117", Origin: "Debian's linux-source-6.12 6.12.117-1~deb12u1",
		Toolchain: []string{"gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b2) of a very long name"},
		Matrix:    several.Matrix{Steps: []string{"form", "TIME_NS=y", "W=1", "boots"}},
		Whole:     true,
		Tests: verdict.Comparison{Verdict: verdict.Passed, Series: results["lanes"], Tests: []verdict.ComparedTest{
			{TestID: wire.TestID{Package: "p", Name: "TestA"}, Lane: "real", Base: verdict.Fail, Series: verdict.Pass, Class: verdict.Proven, OfSeries: true},
			{TestID: wire.TestID{Package: "p", Name: "TestB"}, Lane: "real", Base: verdict.Pass, Series: verdict.Pass, Class: verdict.Same, OfSeries: true},
			{TestID: wire.TestID{Package: "p", Name: "TestB"}, Lane: "virtual", Base: verdict.Pass, Series: verdict.Pass, Class: verdict.Same, OfSeries: true},
		}},
		Coverage:    verdict.Result{Verdict: verdict.Passed, Run: run, Coverage: &covered},
		ABI:         []string{"struct clone_args: 104 bytes, was 88; new timens_offset; new timens_offset_size (x86_64, i386)"},
		Maintainers: []string{"A <a@example.org>", "linux-kernel@vger.kernel.org"},
		Commands:    [][]string{{"bin/vmtest", "presubmit", "timens-offset"}, {"bin/vmtest", "run", "-coverage", "-series", "/home/ann/" + strings.Repeat("long", 30) + "/x.mbox", "-run", "A|B"}},
		TookS:       1234.5,
	}
	for i := range patches {
		p := several.CheckedPatch{Name: "0001-x.patch", Subject: []string{"fork: Do", "fork: Do not"}[i%2]}
		for range s.Matrix.Steps {
			p.Cells = append(p.Cells, several.Cell{Answer: several.Faultless})
		}
		s.Matrix.Patches = append(s.Matrix.Patches, p)
	}
	return s
}

func TestSubmissionGolden(t *testing.T) {
	faulty := submission(3)
	faulty.Matrix.Patches[1].Cells[2] = several.Cell{Answer: several.Faulty, Fault: "kernel/fork.c: warning: unused parameter"}
	faulty.Matrix.Patches[1].Cells[3] = several.Cell{}
	faulty.Whole = false
	for name, s := range map[string]several.Submission{"submitted": submission(12), "refused": faulty} {
		dir := t.TempDir()
		if err := WriteSubmission(dir, s); err != nil {
			t.Fatal(err)
		}
		golden(t, dir, TextFile, name+".txt")
		golden(t, dir, JSONFile, name+".json")
		golden(t, dir, OutgoingFile, name+"-"+OutgoingFile)
	}
}

// All lines fit into a mail, and a shell reads back the commands.
func TestOutgoingWidth(t *testing.T) {
	s := submission(40)
	s.Origin = strings.Repeat("x", 200)
	s.Series = strings.Repeat("A series ", 30)
	text := string(Outgoing(s))
	for line := range strings.Lines(text) {
		if len(line) > outgoingWidth+1 || strings.HasSuffix(line, " \n") {
			t.Errorf("%d columns: %q", len(line)-1, line)
		}
	}
	_, commands, _ := strings.Cut(text, "Commands")
	out, err := exec.Command("sh", "-c", "bin() { for word; do echo \"<$word>\"; done; }; "+strings.ReplaceAll(commands, "bin/vmtest", "bin")).Output()
	want := ""
	for _, c := range s.Commands {
		want += "<" + strings.Join(c[1:], ">\n<") + ">\n"
	}
	if err != nil || string(out) != want {
		t.Errorf("a shell makes %q of the commands, %v; want %q", out, err, want)
	}
}
