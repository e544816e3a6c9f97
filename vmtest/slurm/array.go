// SPDX-License-Identifier: BSD-3-Clause

// Package slurm hands the cells of a night to Slurm: it arranges them as job arrays, writes the
// scripts of these, and submits them with a job behind them that judges the night.
package slurm

import (
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

// arrange makes job arrays that the cluster allows.
func arrange(lines []cells.Line, throttle int, cluster Limits) ([]cells.Array, error) {
	if jobs := len(lines) + 1; jobs > cluster.MaxJobCount {
		return nil, blame.Usagef("%d cells and the job that judges them are more than the %d jobs that this cluster has room for (MaxJobCount); submit the first %d by \"head -n\", and when they have run list again what is left",
			len(lines), cluster.MaxJobCount, cluster.MaxJobCount-1)
	}
	all := cells.Arrange(lines, throttle, cluster.MaxArraySize)
	if throttle > 0 && len(all) > throttle {
		return nil, blame.Usagef("%d cells are %d arrays, as this cluster allows %d tasks in one (MaxArraySize), and each array runs at least one cell; give -throttle %d or more", len(lines), len(all), cluster.MaxArraySize, len(all))
	}
	return all, nil
}
