// SPDX-License-Identifier: BSD-3-Clause

package slurm

import (
	"fmt"
	"strings"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/cells"
)

// Batch is what is submitted for the cells of one night.
type Batch struct {
	Folder string   // of the night
	Arrays []Script // job arrays
	Merge  Script   // the job that judges the night, when all tasks of the arrays have ended
}

// Script is a batch script.
type Script struct {
	Name string // of the file
	Text string
	Size int // how many tasks it has
}

// Arrange makes the scripts for the cells of a night. root is the folder of the checkout, which all
// nodes have. throttle is how many cells run at the same time; 0: as many as the cluster has room
// for.
func Arrange(lines []cells.Line, root string, throttle int, cluster Limits) (Batch, error) {
	if err := cells.CheckNight(lines); err != nil {
		return Batch{}, err
	}
	night := lines[0]
	all, err := arrange(lines, throttle, cluster)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Folder: night.Folder, Merge: merge(night, root)}
	for i, a := range all {
		b.Arrays = append(b.Arrays, script(a, fmt.Sprintf("array-%d.sh", i+1), root))
	}
	return b, nil
}

// script writes the script of an array.
func script(a cells.Array, name, root string) Script {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# \"vmtest slurm\" wrote this script. It runs %d cells of the night %s.\n", len(a.Lines), a.Lines[0].Night)
	tasks := fmt.Sprintf("0-%d", len(a.Lines)-1)
	if a.AtOnce > 0 {
		tasks += fmt.Sprintf("%%%d", a.AtOnce)
	}
	options := []string{"job-name=vmtest-" + a.Lines[0].Night, "array=" + tasks, fmt.Sprintf("time=%d", a.Minutes), fmt.Sprintf("mem=%dM", a.MemoryMB),
		"ntasks=1", fmt.Sprintf("cpus-per-task=%d", a.Cores), "requeue", "open-mode=append", "output=%A_%a.txt"}
	if a.KVM {
		options = append(options, "constraint=kvm")
	}
	for _, o := range options {
		fmt.Fprintf(&b, "#SBATCH --%s\n", o)
	}
	b.WriteString(a.Choose(root, "SLURM_ARRAY_TASK_ID"))
	fmt.Fprintf(&b, `"$@"
code=$?
# A cell without a verdict is run again: its machine may have been at fault. Slurm ends
# this script before it begins the cell again.
if [ "$code" = 4 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt %d ]; then
	scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit "$code"
`, cells.Retries)
	return Script{name, b.String(), len(a.Lines)}
}

// merge writes the script that judges the night. It says no time: what the search for the cause of
// a failure takes is not known, and the partition has a default.
func merge(l cells.Line, root string) Script {
	return Script{"merge.sh", fmt.Sprintf(`#!/bin/sh
# "vmtest slurm" wrote this script. It judges the night %[1]s.
#SBATCH --job-name=vmtest-merge-%[1]s
#SBATCH --mem=%[2]dM
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=%[3]d
#SBATCH --open-mode=append
#SBATCH --output=merge.txt
export GOMAXPROCS=%[3]d
cd %[4]s || exit 4
exec %[5]s
`, l.Night, cells.GrantOf(l).MemoryMB, max(1, l.Needs.Cores), shell.Quote(root), shell.Quote(l.Merge...)), 1}
}
