// SPDX-License-Identifier: BSD-3-Clause

package slurm

import (
	"fmt"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
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

// retries is how often a cell without a verdict is run again: its machine may have been at fault.
const retries = 2

// Arrange makes the scripts for the cells of a night. root is the folder of the checkout, which all
// nodes have. throttle is how many cells run at the same time; 0: as many as the cluster has room
// for.
func Arrange(lines []cells.Line, root string, throttle int, cluster Limits) (Batch, error) {
	if len(lines) == 0 {
		return Batch{}, blame.Usagef("there is no cell on standard input; either all have run, or \"vmtest cells -out DIR\" has failed")
	}
	night := lines[0]
	for _, l := range lines {
		switch {
		case l.Folder == "" || len(l.Merge) == 0:
			return Batch{}, blame.Usagef("the cell %s belongs to no night that has begun; list the cells by \"vmtest cells -out DIR\"", l.ID)
		case l.Folder != night.Folder || !slices.Equal(l.Merge, night.Merge):
			return Batch{}, blame.Usagef("the cells %s and %s belong to two nights, %s and %s; submit one at a time", night.ID, l.ID, night.Folder, l.Folder)
		}
	}
	all, err := arrange(lines, throttle, cluster)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Folder: night.Folder, Merge: merge(night, root)}
	for i, a := range all {
		b.Arrays = append(b.Arrays, a.script(fmt.Sprintf("array-%d.sh", i+1), root))
	}
	return b, nil
}

// script writes the script of an array.
func (a array) script(name, root string) Script {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# \"vmtest slurm\" wrote this script. It runs %d cells of the night %s.\n", len(a.lines), a.lines[0].Night)
	tasks := fmt.Sprintf("0-%d", len(a.lines)-1)
	if a.atOnce > 0 {
		tasks += fmt.Sprintf("%%%d", a.atOnce)
	}
	options := []string{"job-name=vmtest-" + a.lines[0].Night, "array=" + tasks, fmt.Sprintf("time=%d", a.minutes), fmt.Sprintf("mem=%dM", a.memoryMB),
		"ntasks=1", fmt.Sprintf("cpus-per-task=%d", a.cores), "requeue", "open-mode=append", "output=%A_%a.txt"}
	if a.kvm {
		options = append(options, "constraint=kvm")
	}
	for _, o := range options {
		fmt.Fprintf(&b, "#SBATCH --%s\n", o)
	}
	fmt.Fprintf(&b, "cd %s || exit 4\ncase $SLURM_ARRAY_TASK_ID in\n", shell.Quote(root))
	for i, l := range a.lines {
		fmt.Fprintf(&b, "%d) set -- %s ;;\n", i, shell.Quote(l.Command...))
	}
	fmt.Fprintf(&b, `*) echo "there is no cell $SLURM_ARRAY_TASK_ID" >&2; exit 4 ;;
esac
"$@"
code=$?
# A cell without a verdict is run again: its machine may have been at fault. Slurm ends
# this script before it begins the cell again.
if [ "$code" = 4 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt %d ]; then
	scontrol requeue "$SLURM_JOB_ID" && sleep 60
fi
exit "$code"
`, retries)
	return Script{name, b.String(), len(a.lines)}
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
cd %[4]s || exit 4
exec %[5]s
`, l.Night, limitsOf(l).memoryMB, max(1, l.Needs.Cores), shell.Quote(root), shell.Quote(l.Merge...)), 1}
}
