// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"timens-vmtest/internal/ci"
	"timens-vmtest/internal/retest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/store/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vmtest":             main,
		sandbox.Name:         sandbox.Enter,
		"qemu-system-x86_64": fakeQEMU,
		"plainly":            plainly,
	})
}

// plainly becomes a command that a script sends signals to, "plainly vmtest run",
// with no signal ignored. Whoever called the tests may ignore some: nohup does
// SIGHUP, a shell's "&" does SIGINT. A Go program passes that on, and vmtest heeds
// it. All other commands of a script go on ignoring them, as the caller wants.
// Blocked signals need no care: Go unblocks those that end a program.
func plainly() {
	path, err := exec.LookPath(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if signal.Ignored(unix.SIGHUP) { // the end of the terminal is not to reach the command
		if _, err := unix.Setsid(); err != nil {
			log.Fatal(os.NewSyscallError("setsid", err))
		}
	}
	for s := syscall.Signal(1); s < 32; s++ {
		if signal.Ignored(s) { // once it is caught, execve gives it its default action
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	log.Fatal(unix.Exec(path, os.Args[1:], os.Environ()))
}

// The scripts run the real program on a fake kernel tree, which gcc builds in
// no time, and in a fake QEMU, which plays the guest that FAKE_GUEST names. They
// find the checkout, $ROOT, by a path that somebody may well have.
func TestScripts(t *testing.T) {
	retest.IfChanged(t, "..", ".", ":!*.md")
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "a b:c,d ä's")
	if err := os.Symlink(checkout, root); err != nil {
		t.Fatal(err)
	}
	env := make(map[string]string)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN", "GOROOT"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env[name] = strings.TrimSpace(string(out))
	}
	cache := t.TempDir() // shared by the scripts, as by checkouts
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for name, value := range env {
				e.Setenv(name, value)
			}
			e.Setenv("ROOT", root)
			self, err := exec.LookPath("vmtest")
			if err != nil {
				return err
			}
			e.Setenv("VMTEST", self)
			e.Setenv("XDG_CACHE_HOME", cache)
			return copyTree(filepath.Join(root, "vmtest", "testdata", "tree"), filepath.Join(e.WorkDir, "tree"))
		},
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor, "signal": sendSignals, "nothingleft": nothingLeft, "advised": advised, "serve": serve},
		Condition: func(name string) (bool, error) { return condition(t.Context(), name) },
	})
}

// condition says whether the machine has what a script needs. What continuous
// integration must have is an error there, which fails the script.
func condition(ctx context.Context, name string) (bool, error) {
	var err error
	switch name {
	case "kvm": // not every machine can have it
		f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		return err == nil && f.Close() == nil, nil
	case "root": // not every user is
		return os.Geteuid() == 0, nil
	case "sandbox":
		err = sandbox.Try(ctx)
	case "mounts": // a private mount namespace, as root or by a user namespace
		var out []byte
		if out, err = exec.CommandContext(ctx, "unshare", "-rm", "true").CombinedOutput(); err != nil {
			err = errors.Join(fmt.Errorf("unshare -rm: %w: %s", err, bytes.TrimSpace(out)), sandbox.Try(ctx))
		}
	case "perl":
		if _, err = exec.LookPath("perl"); err != nil {
			err = fmt.Errorf("%w; type \"make deps\"", err)
		}
	default:
		return false, errors.New("this condition is unknown")
	}
	if err != nil && ci.Set() {
		return false, fmt.Errorf("%w (CI=%s is set, so this fails; unset CI to skip)", err, os.Getenv("CI"))
	}
	return err == nil, nil
}

// What a script needs and the machine lacks fails in continuous integration, and
// is a reason to skip elsewhere.
func TestConditions(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // it has no perl and no unshare
	for _, name := range []string{"perl", "mounts"} {
		t.Setenv("CI", "")
		if ok, err := condition(t.Context(), name); ok || err != nil {
			t.Errorf("%s on a person's machine: %v, %v", name, ok, err)
		}
		t.Setenv("CI", "true")
		if ok, err := condition(t.Context(), name); ok || err == nil {
			t.Errorf("%s in continuous integration: %v, %v", name, ok, err)
		}
	}
	if ok, err := condition(t.Context(), "userns"); ok || err == nil {
		t.Errorf("a condition that there is not: %v, %v", ok, err)
	}
}

// exits runs a command and demands its exit code: "exits 3 vmtest run".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// advised runs the command that a message advises, as it is printed, and demands that
// it does well: "advised FILE REGEXP", whose first group is the command.
func advised(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: advised FILE REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile(args[0]))
	if m == nil {
		ts.Fatalf("no command %q in\n%s", args[1], ts.ReadFile(args[0]))
	}
	ts.Logf("it advises: %s", m[1])
	if err := ts.Exec("sh", "-c", m[1]); err != nil {
		ts.Fatalf("%s: %v", m[1], err)
	}
}

// serve starts a server that keeps kernels in a folder, and puts its address into a variable:
// "serve VARIABLE DIR". It ends with the script.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve VARIABLE DIR")
	}
	s := httptest.NewServer(storetest.Server{Dir: ts.MkAbs(args[1]), User: "ann", Password: "s3cret"})
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// waitFor waits until a file holds a text: "waitfor FILE TEXT".
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s never held %q", args[0], args[1])
}

// sendSignals sends signals to what runs in the background: "signal TERM INT".
func sendSignals(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: signal NAME...")
	}
	for _, name := range args {
		number := unix.SignalNum("SIG" + name)
		if number == 0 {
			ts.Fatalf("unknown signal %s", name)
		}
		for _, cmd := range ts.BackgroundCmds() {
			ts.Check(cmd.Process.Signal(number))
		}
	}
}

// nothingLeft demands that no process is left that a command of this script
// started: its environment, its working folder or its arguments name the
// script's folder. What was killed gets a moment to go.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nothingleft")
	}
	var left []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = processesOf(ts.Getenv("WORK")); left == nil {
			return
		}
	}
	ts.Fatalf("left behind: %q", left)
}

func processesOf(folder string) (found []string) {
	// A process that ends meanwhile cannot be read and is none.
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if strings.Contains(string(cmdline)+string(environ)+cwd, folder) {
			found = append(found, string(cmdline))
		}
	}
	return found
}

func copyTree(from, to string) error { return os.CopyFS(to, os.DirFS(from)) }

// Every flag that other tools rely on must exist.
func TestContractFlags(t *testing.T) {
	set := flag.NewFlagSet("run", flag.ContinueOnError)
	var a app
	for _, v := range verbs() {
		if v.name == "run" {
			for _, register := range v.register {
				register(&a, set)
			}
		}
	}
	for _, name := range []string{"series", "patch", "tree", "config", "lane", "accel", "run", "results", "v", "bisect", "design"} {
		if set.Lookup(name) == nil {
			t.Errorf("run has no flag -%s", name)
		}
	}
}
