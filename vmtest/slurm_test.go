// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"timens-vmtest/vmtest/history"
)

var bootSlurm = flag.Bool("boot-slurm", false, "start a Slurm of one node and run nights on it")

// slurmNight is a night of cells that run commands, and of one that boots a fake guest.
type slurmNight struct {
	*cluster
	work string // the folder with the commands, the kernel tree and the histories
}

// newNight makes a night whose commands are in a shell script: "NAME SCRIPT" each.
func (c *cluster) newNight(t *testing.T, commands ...string) slurmNight {
	t.Helper()
	n := slurmNight{&cluster{t: t, dir: c.dir, env: c.env, controller: c.controller, node: c.node}, t.TempDir()}
	list := ""
	for _, line := range commands {
		name, script, _ := strings.Cut(line, " ")
		path := filepath.Join(n.work, name+".sh")
		if err := os.WriteFile(path, []byte("cd "+n.work+" || exit 4\n"+script+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		list += fmt.Sprintf("%s 1/1 sh %s # it is quick\n", name, path)
	}
	if err := os.WriteFile(filepath.Join(n.work, "commands"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(n.work, "tree")
	if err := copyTree(filepath.Join("testdata", "tree"), tree); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=U", "-c", "user.email=u@example.org", "commit", "-qm", "main: Begin"}} {
		if out, err := exec.Command("git", append([]string{"-C", tree}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
	}
	return n
}

// flags are those of the night, but for the folder of the history.
func (n slurmNight) flags(cells string) string {
	return fmt.Sprintf(`-tree %s/tree -commands %[1]s/commands -config default -lane real -accel tcg -sandbox off -run '^timens\.TestTimerfdAbsolute' -search 0 -cells '%s'`, n.work, cells)
}

// shell runs a line in the checkout.
func (n slurmNight) shell(line string) (string, int) {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = "..", n.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		n.t.Fatalf("%s: %v", line, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// submit lists the cells of the night that are left, and submits them with options of sbatch. It
// returns the number of the job that judges them.
func (n slurmNight) submit(cells string, options ...string) string {
	n.t.Helper()
	line := fmt.Sprintf("vmtest cells -out %s/slurm %s >%[1]s/lines && vmtest slurm -throttle 2 -- %[3]s <%[1]s/lines", n.work, n.flags(cells), strings.Join(options, " "))
	out, code := n.shell(line)
	judge := judgeRE.FindStringSubmatch(out)
	if code != 0 || judge == nil {
		n.t.Fatalf("%s: exit code %d\n%s", line, code, out)
	}
	return judge[1]
}

var judgeRE = regexp.MustCompile(`(?m)^submitted .*, and (\d+), which judges them;`)

// told is what the history in a folder says of the last night, and the page, both without times.
func (n slurmNight) told(name string) (verdicts, page string) {
	n.t.Helper()
	dir := filepath.Join(n.work, name)
	h, err := history.Load(dir)
	if err != nil || len(h.Nights) == 0 {
		n.t.Fatalf("%v, %d nights\n%s", err, len(h.Nights), n.logs())
	}
	night := h.Nights[len(h.Nights)-1]
	for _, planned := range night.Plan.Cells {
		c, ok := night.Cell(planned)
		verdicts += fmt.Sprintf("%s: %v %s %s %d tests\n", planned, ok, c.Verdict, c.Trouble, len(c.Tests))
	}
	text, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		n.t.Fatal(err)
	}
	return verdicts, timesRE.ReplaceAllString(strings.NewReplacer(dir, "DIR", "<tbody>", "<tbody>\n").Replace(string(text)), "TIME")
}

var timesRE = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+(Z|[+-]\d\d:\d\d)|\d{4}-\d\d-\d\d \d\d:\d\d UTC|\b\d{13}\b|[0-9.]+ (ms|s|min|h|%)|[0-9.]+ [Mk]B|points="[^"]*"|"(?:\d+\.)?\d+"`)

// logs is what the jobs of the night have printed.
func (n slurmNight) logs() string {
	out, _ := n.shell("tail -n 20 " + n.work + "/slurm/nights/*/slurm/*.txt")
	return out
}

// TestSlurm runs nights on a Slurm of one node.
func TestSlurm(t *testing.T) {
	if !*bootSlurm {
		t.Skip("not tested: nights on a Slurm; type \"make slurm-test\"")
	}
	c := startCluster(t)
	t.Run("night", func(t *testing.T) { slurmNightAgrees(t, c) })
	t.Run("unjudged", func(t *testing.T) { slurmRetries(t, c) })
	t.Run("cancelled", func(t *testing.T) { slurmCancelled(t, c) })
	t.Run("lost", func(t *testing.T) { slurmLosesNode(t, c) })
	t.Run("over its limit", func(t *testing.T) { slurmOverLimit(t, c) })
}

// A night over Slurm ends as the same night does on this machine, although slurmd is killed in its
// middle and started again.
func slurmNightAgrees(t *testing.T, c *cluster) {
	n := c.newNight(t, "one sleep 2", "two echo why; sleep 4; exit 1", "three sleep 3", "four sleep 1; exit 3")
	if out, code := n.shell("vmtest nightly -out " + n.work + "/local " + n.flags(".")); code != 3 {
		t.Fatalf("on this machine: exit code %d\n%s", code, out)
	}
	n.submit(".")
	n.wait("a cell runs", func() bool { return strings.Contains(n.run("squeue", "-h", "-t", "RUNNING"), "vmtest") })
	c.end(c.node)
	c.startNode()
	n.waitEmpty()
	verdicts, page := n.told("slurm")
	wantVerdicts, wantPage := n.told("local")
	if verdicts != wantVerdicts || strings.Count(verdicts, ": true ") != 5 {
		t.Errorf("over Slurm:\n%s\non this machine:\n%s\n%s", verdicts, wantVerdicts, n.logs())
	}
	got, want := strings.Split(page, "\n"), strings.Split(wantPage, "\n")
	slices.Sort(got) // the table of costs has the dearest cell first
	slices.Sort(want)
	if len(got) != len(want) {
		t.Fatalf("the page over Slurm has %d lines, that on this machine %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("line %d of the page over Slurm:\n%s\non this machine:\n%s", i+1, got[i], want[i])
		}
	}
}

// A cell without a verdict runs three times at most. One that gets a verdict runs no more.
func slurmRetries(t *testing.T, c *cluster) {
	n := c.newNight(t, "never echo x >>never; exit 4", "second echo x >>second; test $(wc -l <second) = 2 || exit 4")
	n.submit("^(never|second)$")
	n.waitEmpty()
	for name, want := range map[string]int{"never": 3, "second": 2} {
		if text, err := os.ReadFile(filepath.Join(n.work, name)); err != nil || strings.Count(string(text), "x") != want {
			t.Errorf("%v, %s ran %d times, want %d\n%s", err, name, strings.Count(string(text), "x"), want, n.logs())
		}
	}
	verdicts, _ := n.told("slurm")
	for _, want := range []string{"never: true unjudged ", "second: true pass "} {
		if !strings.Contains(verdicts, want) {
			t.Errorf("the verdicts are\n%s, want %s\n%s", verdicts, want, n.logs())
		}
	}
}

// An array that is cancelled leaves no process and no part of a cell. The night goes on.
func slurmCancelled(t *testing.T, c *cluster) {
	n := c.newNight(t, "long echo $$ >pid; test -e quick || sleep 600", "short exit 0")
	n.submit("^(long|short)$")
	var pid int
	n.wait("the long cell runs", func() bool {
		text, _ := os.ReadFile(filepath.Join(n.work, "pid")) // it does not exist at first
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	n.wait("the short cell has run", func() bool { return n.has("short/cell.json") })
	n.wantRun("scancel", "--state=PENDING")
	n.wantRun("scancel", "--state=RUNNING")
	n.waitEmpty()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is left", pid)
	}
	if n.has("long") || !n.has("short/cell.json") {
		t.Errorf("the cell that was cancelled is there: %v; the other one is: %v\n%s", n.has("long"), n.has("short"), n.logs())
	}
	if err := os.WriteFile(filepath.Join(n.work, "quick"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	n.submit("^(long|short)$")
	n.waitEmpty()
	if verdicts, _ := n.told("slurm"); strings.Count(verdicts, ": true pass ") != 2 {
		t.Errorf("the verdicts are\n%s\n%s", verdicts, n.logs())
	}
}

// A node that dies loses its cell, which Slurm runs again.
func slurmLosesNode(t *testing.T, c *cluster) {
	n := c.newNight(t, "long echo $$ >>pids; test $(wc -l <pids) = 2 || sleep 600")
	n.submit("^long$")
	var pid int
	n.wait("the cell runs", func() bool {
		text, _ := os.ReadFile(filepath.Join(n.work, "pids")) // it does not exist at first
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	family := familyOf(t, pid)
	c.end(c.node)
	for _, p := range family {
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil {
			t.Errorf("kill %d: %v", p, err)
		}
	}
	if n.has("long") {
		t.Error("the cell of the node that died is there")
	}
	c.startNode()
	n.waitEmpty()
	if verdicts, _ := n.told("slurm"); !strings.HasPrefix(verdicts, "long: true pass ") {
		t.Errorf("the verdicts are\n%s\n%s", verdicts, n.logs())
	}
}

// A cell that is over its limits is absent. The last job names it, and is not green.
func slurmOverLimit(t *testing.T, c *cluster) {
	n := c.newNight(t, "long sleep 600", "short exit 0")
	judge := n.submit("^(long|short)$", "--time=1") // minutes, the shortest limit of Slurm
	n.waitEmpty()
	if n.has("long") || !n.has("short/cell.json") {
		t.Errorf("the cell that was over its limit is there: %v; the other one is: %v", n.has("long"), n.has("short"))
	}
	if told := n.logs(); !strings.Contains(told, "1 cell of the night ") || !strings.Contains(told, " left nothing: long\n") {
		t.Errorf("the last job does not name the cell:\n%s", told)
	}
	if job := n.run("scontrol", "show", "job", judge); !strings.Contains(job, "ExitCode=4:0") {
		t.Errorf("the last job did not end with 4:\n%s", job)
	}
}

// has says whether the night has something.
func (n slurmNight) has(path string) bool {
	found, err := filepath.Glob(filepath.Join(n.work, "slurm", "nights", "*", path))
	return err == nil && len(found) == 1
}

// familyOf returns a process of a job and its ancestors up to the process of Slurm that started
// the job, which comes first.
func familyOf(t *testing.T, pid int) []int {
	t.Helper()
	var all []int
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		all = append([]int{pid}, all...)
		name, rest, _ := strings.Cut(string(text[strings.IndexByte(string(text), '(')+1:]), ") ")
		if strings.HasPrefix(name, "slurmstepd") {
			return all
		}
		fields := strings.Fields(rest) // the state, the parent and so on
		if pid, err = strconv.Atoi(fields[1]); err != nil || pid <= 1 {
			t.Fatalf("%v: the process belongs to no job: %v", err, all)
		}
	}
}
