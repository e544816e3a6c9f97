// SPDX-License-Identifier: BSD-3-Clause

// Package slurm hands the cells of a night to Slurm: it arranges them as job arrays, writes the
// scripts of these, and submits them with a job behind them that judges the night.
package slurm

import (
	"cmp"
	"slices"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
)

// Limits are those of a cluster.
type Limits struct {
	MaxArraySize int // tasks of one array, as they are numbered from zero
	MaxJobCount  int // jobs that the cluster knows at one time; each task of an array is one
}

// DefaultLimits are those of a cluster whose configuration does not say any.
var DefaultLimits = Limits{MaxArraySize: 1001, MaxJobCount: 10_000}

// array is a job array. All its tasks have the same limits.
type array struct {
	limits
	lines  []cells.Line
	atOnce int // how many tasks run at the same time; 0: as many as the cluster has room for
}

// limits are what Slurm grants a task. A task that uses more is ended.
type limits struct {
	minutes, memoryMB, cores int
	kvm                      bool
}

// limitsOf returns what a cell is granted: three times what it is likely to take and half an hour,
// in hours that are a power of two, so that there are few arrays; and half as much memory again as
// it is likely to need.
func limitsOf(l cells.Line) limits {
	most := limits{minutes: 60, memoryMB: (l.MemoryMB*3/2 + 511) / 512 * 512, cores: max(1, l.Needs.Cores), kvm: l.Needs.KVM}
	for float64(most.minutes) < 3*l.Minutes+30 {
		most.minutes *= 2
	}
	return most
}

// both returns limits that are enough for the cells of a and of b.
func both(a, b limits) limits {
	return limits{max(a.minutes, b.minutes), max(a.memoryMB, b.memoryMB), max(a.cores, b.cores), a.kvm || b.kvm}
}

// arrange makes arrays of cells with equal limits, those with the longest cells first. There are
// no more arrays than cells that may run at the same time.
func arrange(lines []cells.Line, throttle int, cluster Limits) ([]array, error) {
	var all []array
	for _, l := range lines {
		i := slices.IndexFunc(all, func(a array) bool { return a.limits == limitsOf(l) })
		if i < 0 {
			i, all = len(all), append(all, array{limits: limitsOf(l)})
		}
		all[i].lines = append(all[i].lines, l)
	}
	slices.SortStableFunc(all, func(a, b array) int { return cmp.Compare(b.minutes, a.minutes) })
	for throttle > 0 && len(all) > throttle {
		last := len(all) - 1
		all[last-1].limits = both(all[last-1].limits, all[last].limits)
		all[last-1].lines = append(all[last-1].lines, all[last].lines...)
		all = all[:last]
	}
	all = split(all, cluster.MaxArraySize)
	switch jobs := len(lines) + 1; {
	case jobs > cluster.MaxJobCount:
		return nil, blame.Usagef("%d cells and the job that judges them are more than the %d jobs that this cluster has room for (MaxJobCount); submit the first %d by \"head -n\", and when they have run list again what is left",
			len(lines), cluster.MaxJobCount, cluster.MaxJobCount-1)
	case throttle > 0 && len(all) > throttle:
		return nil, blame.Usagef("%d cells are %d arrays, as this cluster allows %d tasks in one (MaxArraySize), and each array runs at least one cell; give -throttle %d or more", len(lines), len(all), cluster.MaxArraySize, len(all))
	}
	share(all, throttle)
	return all, nil
}

// split makes arrays of equal size of each that is too large.
func split(all []array, most int) []array {
	var parts []array
	for _, a := range all {
		n := (len(a.lines) + most - 1) / most
		for part := range slices.Chunk(a.lines, (len(a.lines)+n-1)/n) {
			parts = append(parts, array{limits: a.limits, lines: part})
		}
	}
	return parts
}

// share divides what may run at the same time among the arrays: one task each, and then each
// further one to the array that would end last.
func share(all []array, throttle int) {
	if throttle == 0 {
		return
	}
	for i := range all {
		all[i].atOnce = 1
	}
	for range throttle - len(all) {
		last := slices.MaxFunc(all, func(a, b array) int { return cmp.Compare(a.rest(), b.rest()) })
		i := slices.IndexFunc(all, func(a array) bool { return a.lines[0].ID == last.lines[0].ID })
		all[i].atOnce++
	}
}

// rest returns how many minutes the array is likely to take.
func (a array) rest() float64 {
	sum := 0.0
	for _, l := range a.lines {
		sum += l.Minutes
	}
	return sum / float64(min(a.atOnce, len(a.lines)))
}
