package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"timens-vmtest/kernel"
)

// prefix is a series up to one of its patches: what a bisection would meet.
type prefix struct {
	series kernel.Series // that patch is its last
	n, of  int           // which patch it is, of how many
}

func (p prefix) patch() kernel.Patch { return p.series.Patches[p.n-1] }
func (p prefix) last() bool          { return p.n == p.of }
func (p prefix) String() string      { return fmt.Sprintf("%d/%d %s", p.n, p.of, p.patch().Subject()) }

// prefixes are all of a series' prefixes, the shortest first.
func prefixes(s kernel.Series) []prefix {
	var all []prefix
	for n := range s.Patches {
		p := prefix{series: s, n: n + 1, of: len(s.Patches)}
		p.series.Patches = s.Patches[:n+1]
		all = append(all, p)
	}
	return all
}

// step is one question that every patch has to answer.
type step struct {
	name  string
	heavy bool // it takes long, and is asked when all that are not are answered

	// ask returns a ruleError or a kernel.BuildError if the patch is to blame,
	// and any other error if it could not find out.
	ask func(context.Context, prefix) error
}

// ruleError is a fault of a patch.
type ruleError struct{ text string }

func (e *ruleError) Error() string { return e.text }

func blamesPatch(err error) bool {
	_, rule := errors.AsType[*ruleError](err)
	_, build := errors.AsType[*kernel.BuildError](err)
	return rule || build
}

// answer is what came of one cell of a matrix. The zero value was not asked.
type answer struct {
	asked bool
	err   error
}

func (a answer) String() string {
	switch {
	case !a.asked:
		return "-"
	case a.err != nil:
		return "FAIL"
	}
	return "ok"
}

// matrix is patches by steps.
type matrix struct {
	rows    []prefix
	columns []step
	cells   [][]answer
}

func newMatrix(rows []prefix, columns []step) *matrix {
	m := &matrix{rows: rows, columns: columns}
	for range rows {
		m.cells = append(m.cells, make([]answer, len(columns)))
	}
	return m
}

// fill asks cell by cell: what is quick for all patches, then the rest patch by
// patch. It ends at the first fault, or goes on with the other cells. An error
// means that it could not find out.
func (m *matrix) fill(ctx context.Context, keepGoing bool, say func(format string, args ...any)) error {
	asked, faults := 0, 0
	for _, heavy := range []bool{false, true} {
		for r, row := range m.rows {
			for c, column := range m.columns {
				if column.heavy != heavy {
					continue
				}
				asked++
				if heavy {
					say("%d/%d %s (cell %d of %d)", row.n, row.of, column.name, asked, len(m.rows)*len(m.columns))
				}
				err := column.ask(ctx, row)
				if err != nil && (!blamesPatch(err) || ctx.Err() != nil) {
					return fmt.Errorf("%s, %s: %w", row, column.name, err)
				}
				m.cells[r][c] = answer{true, err}
				if err != nil {
					faults++
				}
				if faults > 0 && !keepGoing {
					return nil
				}
			}
		}
	}
	return nil
}

// fault is the first cell that is not as it has to be, the patches in order.
func (m *matrix) fault() (at prefix, s step, err error) {
	for r, cells := range m.cells {
		for c, cell := range cells {
			if cell.err != nil {
				return m.rows[r], m.columns[c], cell.err
			}
		}
	}
	return prefix{}, step{}, nil
}

// write prints the table, and below it every fault.
func (m *matrix) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "patch")
	for _, c := range m.columns {
		fmt.Fprintf(table, "\t%s", c.name)
	}
	fmt.Fprintln(table)
	for r, cells := range m.cells {
		fmt.Fprintf(table, "%d/%d", m.rows[r].n, m.rows[r].of)
		for _, cell := range cells {
			fmt.Fprintf(table, "\t%s", cell)
		}
		fmt.Fprintf(table, "\t%s\n", m.rows[r].patch().Subject())
	}
	err := table.Flush()
	for r, cells := range m.cells {
		for c, cell := range cells {
			if cell.err != nil {
				fmt.Fprintf(w, "%s: %s: %v\n", m.rows[r].patch().Name, m.columns[c].name, cell.err)
			}
		}
	}
	return err
}
