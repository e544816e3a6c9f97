// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// Files that WriteSubmission writes besides TextFile and JSONFile.
const (
	OutgoingFile    = "outgoing.txt" // to paste below the "---" of a patch, or into a cover letter
	MaintainersFile = "maintainers"  // one address in each line
)

// WriteSubmission writes the reports of a series that will be sent.
func WriteSubmission(dir string, s several.Submission) error {
	json, err := SubmissionJSON(s)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := Submission(&text, dir, s); err != nil {
		return err
	}
	files := map[string][]byte{TextFile: text.Bytes(), JSONFile: json, OutgoingFile: Outgoing(s)}
	if s.Maintainers != nil {
		files[MaintainersFile] = []byte(strings.Join(s.Maintainers, "\n") + "\n")
	}
	var errs []error
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	return errors.Join(errs...)
}

// Submission prints a summary for a screen. The last line is the verdict.
func Submission(w io.Writer, dir string, s several.Submission) error {
	fmt.Fprintf(w, "series %s on linux-%s (%s)\n", named(s.Series, s.Variant), s.Base, s.Origin)
	if s.Local {
		fmt.Fprintln(w, "  the last patch has the changes that are not committed: they are tested, but would not be sent")
	}
	if err := Matrix(w, s.Matrix); err != nil {
		return err
	}
	if s.Whole {
		fmt.Fprintf(w, "tests    %s\n", s.Tests.Summary())
		printFindings(w, s.Tests.Findings)
		printIdle(w, s.Tests.Idle())
		switch {
		case s.Countless:
			fmt.Fprintln(w, "coverage not measured: the series touches no C file of the kernel")
		case s.Coverage.Coverage != nil:
			coverageSummary(w, filepath.Join(dir, "coverage"), s.Coverage.Coverage)
		}
		printFindings(w, s.Coverage.Findings)
	}
	for _, line := range s.ABI {
		fmt.Fprintf(w, "abi      %s\n", look.Harmless(line))
	}
	if len(s.Maintainers) > 0 {
		fmt.Fprintf(w, "send to  %d addresses: %s\n", len(s.Maintainers), filepath.Join(dir, MaintainersFile))
	}
	toDo(w, s.Series, s.Matrix)
	fmt.Fprintf(w, "goes out %s\nevidence %s\n", filepath.Join(dir, OutgoingFile), dir)
	if s.Verdict() != verdict.Passed && len(s.Commands) > 0 {
		fmt.Fprintf(w, "again    %s\n", shell.Quote(s.Commands[0]...))
	}
	fmt.Fprintf(w, "verdict  %s%s (%d patches, %.1f s)\n", s.Verdict(), atFault(s.Matrix), len(s.Matrix.Patches), s.TookS)
	return nil
}

// atFault returns a text such as ": 2/3 subject, at step", or "" for a matrix without a
// fault.
func atFault(m several.Matrix) string {
	if patch, step, faulty := m.Fault(); faulty {
		return ": " + place(m, patch, step)
	}
	return ""
}

func printFindings(w io.Writer, all []verdict.Finding) {
	for i, f := range acrossLanes(all) {
		if i == maxFindings {
			fmt.Fprintf(w, "  ... and more in %s\n", JSONFile)
			break
		}
		fmt.Fprintf(w, "  %s: %s\n", blame(f), strings.ReplaceAll(look.Harmless(f.Text), "\n", "\n    "))
	}
}

// printIdle prints the tests of a series that prove nothing, each once.
func printIdle(w io.Writer, all []verdict.ComparedTest) {
	seen := make(map[string]bool)
	for _, t := range all {
		if !seen[t.String()] {
			fmt.Fprintf(w, "  proves nothing: %s is a test of the series, and gives %s without it as well\n", t.TestID, t.Base)
		}
		seen[t.String()] = true
	}
}

type jsonSubmission struct {
	Schema      int             `json:"schema"`
	Verdict     verdict.Verdict `json:"verdict"`
	Exit        int             `json:"exit"`
	Series      string          `json:"series"`
	Variant     string          `json:"variant,omitempty"`
	Base        string          `json:"base"`
	Origin      string          `json:"origin"`
	Local       bool            `json:"not_committed"`
	Toolchain   []string        `json:"toolchain"`
	Steps       []string        `json:"steps"`
	Patches     []jsonPatch     `json:"patches"`
	Tests       *jsonComparison `json:"tests,omitempty"`
	Coverage    *jsonRun        `json:"coverage,omitempty"`
	ABI         []string        `json:"abi"`
	Maintainers []string        `json:"maintainers"`
	Commands    []string        `json:"commands"`
	Outgoing    string          `json:"outgoing"`
	DurationS   float64         `json:"duration_s"`
}

type jsonPatch struct {
	Name    string     `json:"name"`
	Subject string     `json:"subject"`
	Cells   []jsonCell `json:"cells"`
}

type jsonCell struct {
	Step   string         `json:"step"`
	Answer several.Answer `json:"answer"`
	Fault  string         `json:"fault,omitempty"`
}

// SubmissionJSON returns the report.json of a presubmit.
func SubmissionJSON(s several.Submission) ([]byte, error) {
	j := jsonSubmission{
		Schema: Schema, Verdict: s.Verdict(), Exit: s.Verdict().ExitCode(), Series: s.Series, Variant: s.Variant, Base: s.Base, Origin: s.Origin, Local: s.Local,
		Toolchain: list(s.Toolchain), Steps: list(s.Matrix.Steps), Patches: []jsonPatch{}, ABI: list(s.ABI), Maintainers: list(s.Maintainers),
		Commands: []string{}, Outgoing: string(Outgoing(s)), DurationS: s.TookS,
	}
	for _, p := range s.Matrix.Patches {
		patch := jsonPatch{p.Name, p.Subject, []jsonCell{}}
		for i, c := range p.Cells {
			patch.Cells = append(patch.Cells, jsonCell{s.Matrix.Steps[i], c.Answer, c.Fault})
		}
		j.Patches = append(j.Patches, patch)
	}
	if s.Whole {
		tests := comparisonJSON(s.Tests)
		j.Tests = &tests
		if !s.Countless {
			coverage := toJSON(s.Coverage)
			j.Coverage = &coverage
		}
	}
	for _, c := range s.Commands {
		j.Commands = append(j.Commands, shell.Quote(c...))
	}
	return marshal(j)
}
