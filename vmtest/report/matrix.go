// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"timens-vmtest/vmtest/page/look"
	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// Matrix prints a table of patches and steps, and below it all faults.
func Matrix(w io.Writer, m several.Matrix) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "patch\t%s\n", strings.Join(m.Steps, "\t"))
	for i, p := range m.Patches {
		fmt.Fprintf(table, "%d/%d", i+1, len(m.Patches))
		for _, cell := range p.Cells {
			fmt.Fprintf(table, "\t%s", cell.Answer)
		}
		fmt.Fprintf(table, "\t%s\n", look.Harmless(p.Subject))
	}
	err := table.Flush()
	for _, p := range m.Patches {
		for i, cell := range p.Cells {
			if cell.Answer == several.Faulty {
				fmt.Fprintf(w, "%s: %s: %s\n", p.Name, m.Steps[i], look.Harmless(cell.Fault))
			}
		}
	}
	return err
}

// Checked prints a judged check: the matrix, and the verdict in one line if there is one.
func Checked(w io.Writer, c several.Checked) error {
	fmt.Fprintf(w, "series %s on linux-%s\n", named(c.Series, c.Variant), orUnknown(c.Base))
	if err := Matrix(w, c.Matrix); err != nil || c.Trouble != nil {
		return err
	}
	toDo(w, c.Series, c.Matrix)
	if patch, step, faulty := c.Matrix.Fault(); faulty {
		fmt.Fprintf(w, "check    fail: %s%s (%.1f s)\n", place(c.Matrix, patch, step), partial(c.Matrix), c.TookS)
		return nil
	}
	fmt.Fprintf(w, "check    %s%s (%d patches, %.1f s)\n", c.Verdict(), partial(c.Matrix), len(c.Matrix.Patches), c.TookS)
	return nil
}

// toDo prints what only the user can do before the series is sent.
func toDo(w io.Writer, series string, m several.Matrix) {
	n := 0
	for _, p := range m.Patches {
		if p.Placeholder {
			n++
		}
	}
	if n > 0 {
		fmt.Fprintf(w, "to do    the author of %d of %d patches is a placeholder; \"vmtest series export -mbox FILE %s\" writes mails in your name\n", n, len(m.Patches), series)
	}
}

// Trouble prints why there is no verdict about a series. verb is the command that reports
// the error.
func Trouble(w io.Writer, verb, series string, t verdict.Trouble) {
	fmt.Fprintf(w, "vmtest %s: series %s, %s\n", verb, orUnknown(series), look.Harmless(t.Text))
}

// partial lists the rules that were not checked, if there are any.
func partial(m several.Matrix) string {
	if len(m.LeftOut) == 0 {
		return ""
	}
	return ", partial: not checked: " + strings.Join(m.LeftOut, ", ")
}

// place names a cell of a matrix.
func place(m several.Matrix, patch, step int) string {
	return fmt.Sprintf("%d/%d %s, at %s", patch+1, len(m.Patches), look.Harmless(m.Patches[patch].Subject), m.Steps[step])
}
