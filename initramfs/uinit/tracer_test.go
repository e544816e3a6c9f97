// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// traced makes this test binary a test that does what the variable says.
const traced = "BE_TRACED"

// markFailed stands for testing.(*common).Fail.
//
//go:noinline
func markFailed() { failedOnce = true }

var failedOnce bool

func TestTraced(t *testing.T) {
	switch os.Getenv(traced) {
	case "":
		t.Skip("it is for the child of TestStopAtFail")
	case "fails":
		done := make(chan bool)
		go func() { // any thread may
			markFailed()
			close(done)
		}()
		<-done
		os.Exit(3)
	case "exits":
		os.Exit(3)
	case "passes":
		os.Exit(0)
	case "hangs":
		time.Sleep(time.Hour)
	case "dies":
		if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
}

// state is the letter of a process in /proc.
func state(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return after[:1]
}

// wantState waits until a process is in a state. A thread that is no longer traced stops a moment
// after it was told to.
func wantState(t *testing.T, pid, want string) {
	t.Helper()
	for last := time.Now().Add(30 * time.Second); state(t, pid) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(last) {
			t.Errorf("its state is %s, want %s", state(t, pid), want)
			return
		}
	}
}

// A test is stopped where it fails, with all its threads, and can be continued. A test that
// ends otherwise is stopped at its end, if it has failed.
func TestStopAtFail(t *testing.T) {
	for what, tc := range map[string]struct{ want, state string }{
		"fails":  {"has failed and is stopped there", "T"},
		"exits":  {"is stopped at its end (exit status 3)", "t"},
		"passes": {"has ended (exit status 0)", ""},
		"hangs":  {"has not ended in its time and is stopped", "T"},
		"dies":   {"(SIGKILL)", ""}, // at its end or after it
	} {
		t.Run(what, func(t *testing.T) {
			runtime.LockOSThread() // it traces what is left at the end
			defer runtime.UnlockOSThread()
			cmd := exec.Command(os.Args[0], "-test.run=^TestTraced$")
			cmd.Env = append(os.Environ(), traced+"="+what)
			cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
			limit := 30 * time.Second
			if what == "hangs" {
				limit = time.Second
			}
			where, err := stopAtFail(cmd, cmd.Start, reflect.ValueOf(markFailed).Pointer(), limit)
			if err != nil {
				t.Fatal(err)
			}
			pid := strconv.Itoa(cmd.Process.Pid)
			defer func() {
				_ = unix.Kill(cmd.Process.Pid, unix.SIGKILL)
				_ = unix.PtraceCont(cmd.Process.Pid, 0) // it may be stopped at its end
				for {
					var ws unix.WaitStatus
					tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
					if err == unix.ECHILD {
						return
					}
					if ws.Stopped() {
						_ = unix.PtraceCont(tid, 0)
					}
				}
			}()
			if !strings.Contains(where, tc.want) {
				t.Fatalf("got %q, want %q", where, tc.want)
			}
			if tc.state != "" {
				wantState(t, pid, tc.state)
			}
			if what != "fails" {
				return
			}
			// Nobody traces it, and it goes on to its end.
			status, err := os.ReadFile("/proc/" + pid + "/status")
			if err != nil || !strings.Contains(string(status), "TracerPid:\t0\n") {
				t.Errorf("somebody traces it: %v\n%s", err, status)
			}
			if err := unix.Kill(cmd.Process.Pid, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			var ws unix.WaitStatus
			if _, err := unix.Wait4(cmd.Process.Pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 3 {
				t.Errorf("it ended with %#x, %v, want exit status 3", ws, err)
			}
		})
	}
}
