// SPDX-License-Identifier: BSD-3-Clause

package cells

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/shell"
)

// Retries is how often an engine runs a cell without a verdict again: its machine may have been at
// fault.
const Retries = 2

// Array is a list of cells that an engine runs as one job of many tasks. All its tasks have the
// same limits.
type Array struct {
	Grant
	Lines  []Line
	AtOnce int // how many tasks run at the same time; 0: as many as the cluster has room for
}

// Grant is what an engine lets a task use. A task that uses more is ended.
type Grant struct {
	Minutes, MemoryMB, Cores int
	KVM                      bool
}

// GrantOf returns what a cell is granted: three times what it is likely to take and half an hour,
// in hours that are a power of two, so that there are few arrays; and half as much memory again as
// it is likely to need.
func GrantOf(l Line) Grant {
	most := Grant{Minutes: 60, MemoryMB: (l.MemoryMB*3/2 + 511) / 512 * 512, Cores: max(1, l.Needs.Cores), KVM: l.Needs.KVM}
	for float64(most.Minutes) < 3*l.Minutes+30 {
		most.Minutes *= 2
	}
	return most
}

// both returns a grant that is enough for the cells of a and of b.
func both(a, b Grant) Grant {
	return Grant{max(a.Minutes, b.Minutes), max(a.MemoryMB, b.MemoryMB), max(a.Cores, b.Cores), a.KVM || b.KVM}
}

// Arrange makes arrays of cells with equal grants, those with the longest cells first. An array
// has at most largest cells. The throttle is how many cells run at the same time in all arrays
// together; 0: as many as there is room for. If there are more arrays than that, because the
// largest one is small, no array has its share, and the caller has to refuse the list.
func Arrange(lines []Line, throttle, largest int) []Array {
	var all []Array
	for _, l := range lines {
		i := slices.IndexFunc(all, func(a Array) bool { return a.Grant == GrantOf(l) })
		if i < 0 {
			i, all = len(all), append(all, Array{Grant: GrantOf(l)})
		}
		all[i].Lines = append(all[i].Lines, l)
	}
	slices.SortStableFunc(all, func(a, b Array) int { return cmp.Compare(b.Minutes, a.Minutes) })
	for throttle > 0 && len(all) > throttle {
		last := len(all) - 1
		all[last-1].Grant = both(all[last-1].Grant, all[last].Grant)
		all[last-1].Lines = append(all[last-1].Lines, all[last].Lines...)
		all = all[:last]
	}
	all = split(all, largest)
	if throttle >= len(all) {
		share(all, throttle)
	}
	return all
}

// split makes arrays of equal size of each that is too large.
func split(all []Array, largest int) []Array {
	var parts []Array
	for _, a := range all {
		n := (len(a.Lines) + largest - 1) / largest
		for part := range slices.Chunk(a.Lines, (len(a.Lines)+n-1)/n) {
			parts = append(parts, Array{Grant: a.Grant, Lines: part})
		}
	}
	return parts
}

// share divides what may run at the same time among the arrays: one task each, and then each
// further one to the array that would end last.
func share(all []Array, throttle int) {
	for i := range all {
		all[i].AtOnce = 1
	}
	for range throttle - len(all) {
		last := slices.MaxFunc(all, func(a, b Array) int { return cmp.Compare(a.rest(), b.rest()) })
		i := slices.IndexFunc(all, func(a Array) bool { return a.Lines[0].ID == last.Lines[0].ID })
		all[i].AtOnce++
	}
}

// rest returns how many minutes the array is likely to take.
func (a Array) rest() float64 {
	sum := 0.0
	for _, l := range a.Lines {
		sum += l.Minutes
	}
	return sum / float64(min(a.AtOnce, len(a.Lines)))
}

// Choose returns lines of a shell script. They enter the checkout, whose folder is root, and make
// the command of a cell the arguments of the script. The environment variable has the number of
// the cell in the array, counted from zero. With GOMAXPROCS, make gets as many cores as the task
// has, where an engine does not hide the others: a compiler takes 200 MB, and a node may have a
// hundred cores.
func (a Array) Choose(root, variable string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "export GOMAXPROCS=%d\ncd %s || exit 4\ncase $%s in\n", a.Cores, shell.Quote(root), variable)
	for i, l := range a.Lines {
		fmt.Fprintf(&b, "%d) set -- %s ;;\n", i, shell.Quote(l.Command...))
	}
	fmt.Fprintf(&b, "*) echo \"there is no cell $%s\" >&2; exit 4 ;;\nesac\n", variable)
	return b.String()
}

// CheckNight refuses a list that an engine cannot run: one without cells, one of no night that has
// begun, and one of two nights.
func CheckNight(lines []Line) error {
	if len(lines) == 0 {
		return blame.Usagef("there is no cell on standard input; either all have run, or \"vmtest cells -out DIR\" has failed")
	}
	night := lines[0]
	for _, l := range lines {
		switch {
		case l.Folder == "" || len(l.Merge) == 0:
			return blame.Usagef("the cell %s belongs to no night that has begun; list the cells by \"vmtest cells -out DIR\"", l.ID)
		case l.Folder != night.Folder || !slices.Equal(l.Merge, night.Merge):
			return blame.Usagef("the cells %s and %s belong to two nights, %s and %s; submit one at a time", night.ID, l.ID, night.Folder, l.Folder)
		}
	}
	return nil
}
