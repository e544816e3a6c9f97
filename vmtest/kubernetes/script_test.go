// SPDX-License-Identifier: BSD-3-Clause

package kubernetes

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pod runs its own cell in the checkout, whatever its command has in it, and ends with the exit
// code of the cell.
func TestPodScript(t *testing.T) {
	p := place()
	p.Root = filepath.Join(t.TempDir(), "a b:c,d ä's")
	if err := os.Mkdir(p.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	lines := some(2, 10)
	lines[0].Command = []string{"/bin/sh", "-c", `pwd; echo "$1" $GOMAXPROCS; exit 1`, "x", "it's $HOME\n`id`"}
	lines[1].Command = []string{"/bin/sh", "-c", "exit 4"}
	script := filepath.Join(written(t, lines, p, 0, JobLimits), jobScript(0))
	for _, tc := range []struct {
		index  string
		exit   int
		prints string
	}{
		{"0", 1, p.Root + "\nit's $HOME\n`id` 2\n"},
		{"1", 4, ""},
		{"2", 4, "there is no cell 2\n"},
	} {
		cmd := exec.Command("/bin/sh", script)
		cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX="+tc.index)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tc.exit || string(out) != tc.prints {
			t.Errorf("index %s: %v, printed %q; want exit code %d, %q", tc.index, err, out, tc.exit, tc.prints)
		}
	}
}

// A pod that is told to end tells its cell, waits for it, and ends with an exit code that does not
// run the cell again, although vmtest itself says that there is no verdict.
func TestPodIsEnded(t *testing.T) {
	p := place()
	p.Root = t.TempDir()
	lines := some(1, 10)
	lines[0].Command = []string{"/bin/sh", "-c", `trap 'echo ends; exit 4' TERM; echo runs; while :; do sleep 0.01; done`}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(written(t, lines, p, 0, JobLimits), jobScript(0)))
	cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // the cell, too
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 64)
	n, err := out.Read(said)
	if err != nil || string(said[:n]) != "runs\n" {
		t.Errorf("%v, the cell said %q", err, said[:n])
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	n, err = out.Read(said)
	if err != nil || string(said[:n]) != "ends\n" {
		t.Errorf("%v, the cell said %q after the signal", err, said[:n])
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != ended {
		t.Errorf("%v, want exit code %d", err, ended)
	}
}

// The script that judges keeps what is printed, and ends with the exit code of the night.
func TestMergeScript(t *testing.T) {
	p := place()
	p.Root = t.TempDir()
	lines := some(1, 10)
	lines[0].Merge = []string{"/bin/sh", "-c", "pwd; echo red $GOMAXPROCS >&2; exit 1"}
	dir := written(t, lines, p, 0, JobLimits)
	cmd := exec.Command("/bin/sh", filepath.Join(dir, mergeScript))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || len(out) > 0 {
		t.Errorf("%v, printed %q", err, out)
	}
	if got, want := read(t, filepath.Join(dir, "merge.txt")), p.Root+"\nred 2\n"; got != want {
		t.Errorf("merge.txt has %q, want %q", got, want)
	}
}

// fakeKubectl answers "get" with the next line of the file states: "error" is an API server that
// does not answer. It refuses to create the manifest whose name REFUSED is a part of.
const fakeKubectl = `#!/bin/sh
cd "$FAKE" || exit
echo "$@" >>log
case $2 in
create)
	case $* in *jobs.yaml) echo job.batch/a; [ "$REFUSED" = jobs ] || echo job.batch/b ;; esac
	for last; do :; done
	case $last in *"${REFUSED:-none}".yaml) echo "no quota" >&2; exit 1 ;; esac ;;
get)
	read -r state <states
	sed -i 1d states
	[ "$state" = error ] && exit 1
	printf %s "$state" ;;
esac
`

// The Jobs are submitted, and the one that judges when all have ended, however they have ended. If
// one is refused, those before it are deleted.
func TestSubmit(t *testing.T) {
	dir := written(t, some(2, 10), place(), 0, JobLimits)
	bin := t.TempDir()
	for name, text := range map[string]string{"kubectl": fakeKubectl, "sleep": "#!/bin/sh\necho sleep >>\"$FAKE/log\"\n"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const get = "--namespace=ci get --ignore-not-found -o jsonpath=:{.status.conditions[*].type} job.batch/"
	create, merge := "--namespace=ci create -o name -f "+dir+"/jobs.yaml\n", "--namespace=ci create -f "+dir+"/merge.yaml\n"
	for name, tc := range map[string]struct {
		states, refused, log string
		exit                 int
	}{
		"both end":        {":\n:Suspended\n:FailureTarget Failed\n:SuccessCriteriaMet Complete\n", "", create + get + "a\nsleep\n" + get + "a\nsleep\n" + get + "a\n" + get + "b\n" + merge, 0},
		"one is deleted":  {"\n:Complete\n", "", create + get + "a\n" + get + "b\n" + merge, 0},
		"no answer":       {"error\n:Complete\n:Complete\n", "", create + get + "a\nsleep\n" + get + "a\n" + get + "b\n" + merge, 0},
		"refused":         {"", "jobs", create + "--namespace=ci delete job.batch/a\n", 4},
		"merging refused": {":Complete\n:Failed\n", "merge", create + get + "a\n" + get + "b\n" + merge, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake := t.TempDir()
			if err := os.WriteFile(filepath.Join(fake, "states"), []byte(tc.states), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			defer stop()
			cmd := exec.CommandContext(ctx, "/bin/sh", filepath.Join(dir, SubmitFile))
			cmd.WaitDelay = time.Second
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "FAKE="+fake, "REFUSED="+tc.refused)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != tc.exit {
				t.Errorf("%v, want exit code %d\n%s", err, tc.exit, out)
			}
			if got := strings.TrimSpace(read(t, filepath.Join(fake, "log"))); got != strings.TrimSpace(tc.log) {
				t.Errorf("kubectl was called\n%s\nwant\n%s", got, tc.log)
			}
		})
	}
}
