// SPDX-License-Identifier: BSD-3-Clause

package slurm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
)

// some are n cells of a night that take some minutes each.
func some(n int, minutes float64) []cells.Line {
	var all []cells.Line
	for i := range n {
		all = append(all, cells.Line{ID: fmt.Sprintf("%v/%d", minutes, i), Night: "2026-11-27", Folder: "/n", Minutes: minutes, MemoryMB: 2048,
			Command: []string{"echo", fmt.Sprint("cell ", i)}, Merge: []string{"bin/vmtest", "merge", "/n"}, Needs: cells.Needs{Cores: 2}})
	}
	return all
}

// drawn is each array as its number of cells, its limits and how many run at the same time.
func drawn(all []cells.Array) string {
	var parts []string
	for _, a := range all {
		parts = append(parts, fmt.Sprintf("%d: %d min %d MB %d cores, %d at once", len(a.Lines), a.Minutes, a.MemoryMB, a.Cores, a.AtOnce))
	}
	return strings.Join(parts, "; ")
}

// Each cell has limits with a margin, the throttle holds for all arrays together, and no array is
// larger than the cluster allows.
func TestArrange(t *testing.T) {
	for _, tc := range []struct {
		lines    []cells.Line
		throttle int
		cluster  Limits
		want     string
	}{
		{some(3, 10), 0, DefaultLimits, "3: 60 min 3072 MB 2 cores, 0 at once"},
		{append(some(3, 10), some(2, 11)...), 0, DefaultLimits, "2: 120 min 3072 MB 2 cores, 0 at once; 3: 60 min 3072 MB 2 cores, 0 at once"},
		{append(some(30, 1), some(2, 100)...), 4, DefaultLimits, "2: 480 min 3072 MB 2 cores, 3 at once; 30: 60 min 3072 MB 2 cores, 1 at once"},
		{append(some(3, 10), some(2, 100)...), 1, DefaultLimits, "5: 480 min 3072 MB 2 cores, 1 at once"},
		{some(1001, 10), 0, DefaultLimits, "1001: 60 min 3072 MB 2 cores, 0 at once"},
		{some(1002, 10), 8, DefaultLimits, "501: 60 min 3072 MB 2 cores, 4 at once; 501: 60 min 3072 MB 2 cores, 4 at once"},
		{some(10, 10), 0, Limits{4, 100}, "4: 60 min 3072 MB 2 cores, 0 at once; 4: 60 min 3072 MB 2 cores, 0 at once; 2: 60 min 3072 MB 2 cores, 0 at once"},
		{some(10, 10), 0, Limits{4, 10}, "10 cells and the job that judges them are more than the 10 jobs that this cluster has room for (MaxJobCount); submit the first 9 by \"head -n\""},
		{some(10, 10), 2, Limits{4, 100}, "10 cells are 3 arrays, as this cluster allows 4 tasks in one (MaxArraySize), and each array runs at least one cell; give -throttle 3 or more"},
	} {
		all, err := arrange(tc.lines, tc.throttle, tc.cluster)
		got := drawn(all)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) || err != nil && blame.Of(err) != blame.User {
			t.Errorf("%d cells, throttle %d: got %s, want %s", len(tc.lines), tc.throttle, got, tc.want)
		}
		sum := 0
		for _, a := range all {
			sum += a.AtOnce
		}
		if err == nil && sum != tc.throttle {
			t.Errorf("%d cells: with the throttle %d, %d run at the same time", len(tc.lines), tc.throttle, sum)
		}
	}
}

// Cells that make no night are refused.
func TestArrangeRefuses(t *testing.T) {
	change := func(f func(*cells.Line)) []cells.Line {
		all := some(2, 10)
		f(&all[1])
		return all
	}
	for want, lines := range map[string][]cells.Line{
		"there is no cell on standard input": nil,
		"the cell 10/1 belongs to no night that has begun; list the cells by \"vmtest cells -out DIR\"": change(func(l *cells.Line) { l.Folder = "" }),
		"the cells 10/0 and 10/1 belong to two nights, /n and /m; submit one at a time":                 change(func(l *cells.Line) { l.Folder = "/m" }),
	} {
		if _, err := Arrange(lines, "/src", 0, DefaultLimits); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// fake writes programs into a folder that is on PATH alone.
func fake(t *testing.T, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

// A task runs its own cell in the checkout, whatever its command has in it, and ends with the exit
// code of the cell. A cell without a verdict is run again twice.
func TestArrayScript(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a b:c,d ä's")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	lines := some(3, 10)
	lines[0].Command = []string{"/bin/sh", "-c", `pwd; echo "$1" $GOMAXPROCS; exit 1`, "x", "it's $HOME\n`id`"}
	lines[1].Command = []string{"/bin/sh", "-c", "exit 4"}
	lines[2].Command = []string{"/bin/sh", "-c", "exit 0"}
	b, err := Arrange(lines, root, 2, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := b.Write(dir); err != nil {
		t.Fatal(err)
	}
	text := b.Arrays[0].Text
	for _, want := range []string{"--array=0-2%2\n", "--time=60\n", "--mem=3072M\n", "--cpus-per-task=2\n", "--requeue\n", "--job-name=vmtest-2026-11-27\n"} {
		if !strings.Contains(text, "#SBATCH "+want) {
			t.Errorf("the script lacks %q:\n%s", want, text)
		}
	}
	asked := filepath.Join(t.TempDir(), "asked")
	fake(t, map[string]string{"scontrol": "echo \"$@\" >>" + asked, "sleep": ""})
	for _, tc := range []struct {
		task, restarts string
		exit           int
		prints, asks   string
	}{
		{"0", "", 1, root + "\nit's $HOME\n`id` 2\n", ""},
		{"1", "", 4, "", "requeue 77\n"},
		{"1", "1", 4, "", "requeue 77\n"},
		{"1", "2", 4, "", ""},
		{"2", "", 0, "", ""},
		{"3", "", 4, "there is no cell 3\n", ""},
	} {
		if err := os.RemoveAll(asked); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/bin/sh", filepath.Join(dir, "array-1.sh"))
		cmd.Env = append(os.Environ(), "SLURM_ARRAY_TASK_ID="+tc.task, "SLURM_JOB_ID=77")
		if tc.restarts != "" {
			cmd.Env = append(cmd.Env, "SLURM_RESTART_COUNT="+tc.restarts)
		}
		out, err := cmd.CombinedOutput()
		asks, _ := os.ReadFile(asked) // the file may not exist
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tc.exit || string(out) != tc.prints || string(asks) != tc.asks {
			t.Errorf("task %s after %q restarts: %v, printed %q, asked for %q; want exit code %d, %q and %q", tc.task, tc.restarts, err, out, asks, tc.exit, tc.prints, tc.asks)
		}
	}
}

// All arrays are submitted, and behind them the job that judges. If one is refused, those before it
// are cancelled.
func TestSubmit(t *testing.T) {
	b, err := Arrange(append(some(2, 10), some(2, 100)...), "/src", 0, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	count := `echo "sbatch $*" >>` + log + `; n=0; while read -r line; do n=$((n + 1)); done <` + log + `; [ "$n" = "$REFUSED" ] && { echo "no partition" >&2; exit 1; }; echo "$((10 + n));one"`
	fake(t, map[string]string{"sbatch": count, "scancel": `echo "scancel $*" >>` + log})
	first, second := "sbatch --parsable --chdir="+dir+" -p x "+dir+"/array-1.sh\n", "sbatch --parsable --chdir="+dir+" -p x "+dir+"/array-2.sh\n"
	merge := "sbatch --dependency=afterany:11:12 --parsable --chdir=" + dir + " -p x " + dir + "/merge.sh\n"
	for _, tc := range []struct{ refused, ids, log, err string }{
		{"", "[11 12 13]", first + second + merge, ""},
		{"1", "[]", first, "sbatch: exit status 1: no partition"},
		{"3", "[]", first + second + merge + "scancel 11 12\n", "sbatch: exit status 1: no partition"},
	} {
		t.Setenv("REFUSED", tc.refused)
		if err := os.WriteFile(log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		ids, err := b.Submit(t.Context(), dir, []string{"-p", "x"})
		said, readErr := os.ReadFile(log)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if fmt.Sprint(ids) != tc.ids || string(said) != tc.log || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
			t.Errorf("refused %q: got %v, %v and\n%s, want\n%s", tc.refused, ids, err, said, tc.log)
		}
	}
}

// The commands that are printed submit the same.
func TestCommands(t *testing.T) {
	b, err := Arrange(append(some(2, 10), some(2, 100)...), "/src", 0, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	fake(t, map[string]string{"sbatch": `IFS="|"; echo "sbatch|$*" >&2; echo 5`})
	cmd := exec.Command("/bin/sh", "-ec", strings.Join(b.Commands("/n n/slurm", []string{"-p", "x"}), "\n"))
	out, err := cmd.CombinedOutput()
	want := "sbatch|--parsable|--chdir=/n n/slurm|-p|x|/n n/slurm/array-1.sh\nsbatch|--parsable|--chdir=/n n/slurm|-p|x|/n n/slurm/array-2.sh\n" +
		"sbatch|--dependency=afterany:5:5|--parsable|--chdir=/n n/slurm|-p|x|/n n/slurm/merge.sh\n5\n"
	if err != nil || string(out) != want {
		t.Errorf("%v, got\n%s, want\n%s", err, out, want)
	}
}

// The limits are those that the cluster says. Without a cluster there is an error that says what to do.
func TestClusterLimits(t *testing.T) {
	fake(t, map[string]string{"scontrol": `echo "Configuration data"; echo "MaxArraySize            = 64"; echo "MaxJobCount             = 500"; echo "MaxStepCount = 9"`})
	if l, err := ClusterLimits(t.Context()); err != nil || l != (Limits{64, 500}) {
		t.Errorf("%v, got %+v", err, l)
	}
	fake(t, map[string]string{"scontrol": "echo no controller >&2; exit 1"})
	if _, err := ClusterLimits(t.Context()); err == nil || !strings.Contains(err.Error(), "scontrol: exit status 1: no controller") {
		t.Errorf("a cluster that does not answer: %v", err)
	}
	fake(t, nil)
	if l, err := ClusterLimits(t.Context()); err == nil || l != DefaultLimits || !strings.Contains(err.Error(), "-n writes the scripts and submits nothing") {
		t.Errorf("no cluster: %v, %+v", err, l)
	}
}
