// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// beStray makes this test binary the test that leaves a process behind. The
// process lives as long as the variable says.
const beStray = "BE_STRAY"

func TestLeavesStray(t *testing.T) {
	seconds := os.Getenv(beStray)
	if seconds == "" {
		t.Skip("it is for the child of TestEndStrays")
	}
	cmd := exec.Command("sh", "-c", "sleep "+seconds+"; :") // the shell stays as the parent of sleep
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/" + strconv.Itoa(cmd.Process.Pid) + "/children")
		if err != nil {
			t.Fatal(err)
		}
		if child := strings.TrimSpace(string(text)); child != "" {
			name, err := os.ReadFile("/proc/" + child + "/comm")
			if err == nil && string(name) == "sleep\n" {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
	os.Stdout.WriteString(strconv.Itoa(cmd.Process.Pid) + "\n")
	os.Exit(0)
}

// leaveStray runs a test that leaves a process behind, and returns the group of
// the process. It becomes our child.
func leaveStray(t *testing.T, seconds string) (group int) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
			t.Error(err)
		}
	})
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeavesStray$", "-test.paniconexit0=false")
	cmd.Env = append(os.Environ(), beStray+"="+seconds)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	group, err = strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || group <= 1 {
		t.Fatalf("it printed %q, %v", out, err)
	}
	return group
}

// A process that a test leaves behind is named and killed, with its children.
func TestEndStrays(t *testing.T) {
	group := leaveStray(t, "1000")
	killed := 0
	got, err := endStrays(10*time.Millisecond, func() error {
		killed++
		return unix.Kill(-group, unix.SIGKILL) // killAll would kill everything on this machine
	})
	if err != nil || killed != 1 || got.count != 2 || !slices.Equal(got.names, []string{"sh", "sleep"}) {
		t.Errorf("got %+v, %v, killed %d times, want sh and sleep, killed once", got, err, killed)
	}
	if err := unix.Kill(-group, 0); err != unix.ESRCH {
		t.Errorf("kill of the group: %v, want %v", err, unix.ESRCH)
	}
}

// A process that ends by itself within the time of grace is not left behind.
func TestEndStraysWaits(t *testing.T) {
	group := leaveStray(t, "0.2")
	got, err := endStrays(time.Minute, func() error { return unix.Kill(-group, unix.SIGKILL) })
	if err != nil || got.count != 0 {
		t.Errorf("got %+v, %v, want none", got, err)
	}
}

func TestParseStat(t *testing.T) {
	for text, want := range map[string]process{
		"12 (sh) S 7 12 12 0 -1":         {12, 7, "sh", false},
		"3 (a) R 1 (b (c)) Z 2 3 3 0 -1": {3, 2, "a) R 1 (b (c)", true},
		"":                               {},
		"12 sh S 7":                      {},
		"12 (sh) S":                      {},
		"x (sh) S 7 12 12":               {},
		"12 (sh) S x 12 12":              {},
		"12) (sh":                        {},
	} {
		got, err := parseStat(text)
		if want == (process{}) {
			if err == nil {
				t.Errorf("%q was accepted as %+v", text, got)
			}
		} else if err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}
