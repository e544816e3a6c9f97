// SPDX-License-Identifier: BSD-3-Clause

package bits

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"timens-vmtest/docs/docstest"
)

var update = flag.Bool("update", false, "write the table of flags in docs/kernels.md")

const (
	pageFile   = "../../../docs/kernels.md"
	tableBegin = "<!-- from tests/internal/bits; go test ./tests/internal/bits -update rewrites it -->\n"
)

// kernels are releases, and the flags of clone3() above the lower 32 bits that their
// headers define.
var kernels = []struct {
	name  string
	flags uint64
}{{"6.12", 0x3 << 32}, {"7.3", 0x3f << 32}}

// The page says what each call does with each flag.
func TestTableOfPage(t *testing.T) {
	docstest.Hold(t, pageFile, tableBegin, flagTable(), *update, "go test ./tests/internal/bits -update")
}

// flagTable has a row for each bit of the flags. Bits in a row that have no name and
// the same answers share one.
func flagTable() string {
	out, rule := "| bits | name |", "|---|---|"
	for _, call := range Calls(0) {
		out, rule = out+fmt.Sprintf(" %s |", call.Name), rule+"---|"
	}
	out += "\n" + rule + "\n"
	for bit := 0; bit < 64; {
		next := bit + 1
		for next < 64 && nameHere(bit) == "" && flagRow(next) == flagRow(bit) {
			next++
		}
		where := fmt.Sprint(bit)
		if next > bit+1 {
			where += fmt.Sprintf(" to %d", next-1)
		}
		out += fmt.Sprintf("| %s | %s\n", where, flagRow(bit))
		bit = next
	}
	return out
}

// nameHere returns the name of a bit. It is "" if no kernel of the table defines the flag: a series may
// add it, and then it is no flag of the kernels.
func nameHere(bit int) string {
	defined := uint64(low)
	for _, k := range kernels {
		defined |= k.flags
	}
	return Name(uint64(1) << bit & defined)
}

// flagRow has the cells of a bit. A cell has one answer if all kernels give it.
func flagRow(bit int) string {
	flag := uint64(1) << bit
	var row string
	if name := nameHere(bit); name != "" {
		row = "`" + strings.ReplaceAll(name, ", ", "`, `") + "`"
	}
	row += " |"
	for i := range Calls(0) {
		var cell, last string
		for _, k := range kernels {
			answer := Calls(k.flags)[i].Answer(flag).String()
			switch {
			case cell == "":
				cell = answer
			case answer != last:
				cell += fmt.Sprintf("; %s: %s", k.name, answer)
			}
			last = answer
		}
		row += " " + cell + " |"
	}
	return row
}
