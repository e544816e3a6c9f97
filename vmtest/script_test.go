package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/u-root/u-root/pkg/cpio"
	"golang.org/x/sys/unix"

	"timens-vmtest/internal/ci"
	"timens-vmtest/kernel"
	"timens-vmtest/vmtest/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vmtest":             main,
		kernel.SandboxName:   kernel.EnterSandbox,
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
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor, "signal": sendSignals, "nothingleft": nothingLeft},
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
	case "sandbox":
		err = kernel.TrySandbox(ctx)
	case "mounts": // a private mount namespace, as root or by a user namespace
		var out []byte
		if out, err = exec.CommandContext(ctx, "unshare", "-rm", "true").CombinedOutput(); err != nil {
			err = errors.Join(fmt.Errorf("unshare -rm: %w: %s", err, bytes.TrimSpace(out)), kernel.TrySandbox(ctx))
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

// fakeQEMU takes the arguments that vm gives QEMU and plays a guest.
func fakeQEMU() {
	log.SetFlags(0)
	log.SetPrefix("fake QEMU: ")
	if slices.Equal(os.Args[1:], []string{"--version"}) {
		fmt.Println("QEMU emulator version 7.2.0 (fake)")
		return
	}
	g, err := newFakeGuest(os.Args[1:])
	if err == nil {
		err = g.play(os.Getenv("FAKE_GUEST"))
	}
	if err != nil {
		log.Fatal(err)
	}
}

type fakeGuest struct {
	console, records io.Writer
	plan             wire.Plan
	key              string
	carried          wire.Carried
	hello            wire.Hello
	seq              int
	kernelSays       string // what the kernel's own text asks for: "fake-guest:" and a name
}

func newFakeGuest(args []string) (*fakeGuest, error) {
	value := make(map[string]string)
	for i := 0; i+1 < len(args); i++ {
		value[args[i]] += args[i+1] + "\n"
	}
	g := new(fakeGuest)
	for line := range strings.Lines(value["-chardev"]) {
		name, path, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "pipe,id="), ",path=")
		if !ok {
			continue // the monitor
		}
		port, err := os.OpenFile(strings.ReplaceAll(path, ",,", ",")+".out", os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		switch name {
		case "console":
			g.console = port
		case "records":
			g.records = port
		}
	}
	kernel := strings.TrimSpace(value["-kernel"])
	if err := g.readPlan(strings.TrimSpace(value["-initrd"])); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(filepath.Dir(kernel), "config"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(kernel)
	if err != nil {
		return nil, err
	}
	if _, what, ok := bytes.Cut(text, []byte("fake-guest:")); ok {
		name, _, _ := bytes.Cut(what, []byte("\x00"))
		g.kernelSays = string(name)
	}
	sum := sha256.Sum256(config)
	g.hello = wire.Hello{Schema: wire.Schema, PlanID: g.plan.ID, Clocksource: "tsc", Carried: g.carried.Digest(), ConfigSHA256: hex.EncodeToString(sum[:])}
	if g.hello.BuildID, err = elfBuildID(kernel); err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(value["-append"]) {
		if id, ok := strings.CutPrefix(word, wire.BootParam+"="); ok {
			g.hello.BootID = id
		}
		if lane, ok := strings.CutPrefix(word, wire.LaneParam+"="); ok {
			g.hello.Lane = lane
			g.plan = g.plan.In(lane)
		}
		if from, ok := strings.CutPrefix(word, wire.FromParam+"="); ok {
			if g.hello.From, err = strconv.Atoi(from); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

func (g *fakeGuest) readPlan(archive string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := cpio.ArchiveFromReader(cpio.Newc.Reader(f))
	if err != nil {
		return err
	}
	content := func(path string) io.Reader {
		r, ok := a.Get(strings.TrimPrefix(path, "/"))
		if !ok {
			err = errors.Join(err, fmt.Errorf("the archive has no %s", path))
			return strings.NewReader("")
		}
		return io.NewSectionReader(r, 0, int64(r.FileSize))
	}
	plan := content(wire.PlanPath)
	key, kerr := io.ReadAll(content(wire.KeyPath))
	g.key = string(key)
	g.carried = make(wire.Carried)
	for _, name := range a.Order {
		if file, ok := strings.CutPrefix("/"+name, wire.CarriedDir+"/"); ok && a.Files[name].Mode&cpio.S_IFREG == cpio.S_IFREG {
			text, rerr := io.ReadAll(content(name))
			err = errors.Join(err, rerr)
			g.carried[file] = text
		}
	}
	if err != nil || kerr != nil {
		return errors.Join(err, kerr)
	}
	return json.NewDecoder(plan).Decode(&g.plan)
}

func elfBuildID(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s := f.Section(".note.gnu.build-id")
	if s == nil {
		return "", errors.New("no build ID")
	}
	notes, err := s.Data()
	return hex.EncodeToString(wire.GNUBuildID(notes)), err
}

func (g *fakeGuest) write(r wire.Record) error {
	r.Seq = g.seq
	g.seq++
	r.Taint = new(int64)
	r.RTC = new(int64)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = g.records.Write(append(line, '\n'))
	return err
}

// play plays a guest whose first test does what the guest is named for: in both
// lanes, or as "fail@virtual" has it.
func (g *fakeGuest) play(what string) error {
	what, lane, one := strings.Cut(what, "@")
	if one && lane != g.hello.Lane {
		what = "green"
	}
	later := g.hello.From >= g.plan.Later()
	switch {
	case what == "silent", what == "silent later" && later:
		return nil
	case what == "foreign later" && later:
		g.hello.Carried = strings.Repeat("0", 64)
	}
	switch what {
	case "refused":
		log.Fatal("-machine i8042=off: there is no such thing")
	case "terminated": // QEMU exits with status 0 then
		log.Print("terminating on signal 15 from pid 1 (init)")
		return nil
	case "chatty":
		for range 1 << 20 {
			if _, err := fmt.Fprintln(g.console, strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
	}
	if g.kernelSays != "" {
		what = g.kernelSays
	}
	fmt.Fprintln(g.console, "[    0.000000] Linux version 6.12.1-fake")
	if what == "foreign" {
		g.hello.BuildID = strings.Repeat("0", 40)
	}
	if err := g.write(wire.Record{Type: wire.TypeHello, Hello: &g.hello}); err != nil {
		return err
	}
	tests := g.plan.Part(g.hello.From)
	if g.hello.From > 0 {
		what = "green"
	}
	for _, t := range tests {
		if err := g.test(t.TestID, what); err != nil {
			return err
		}
		if !strings.HasPrefix(what, "leaves ") {
			what = "green"
		}
	}
	count := len(tests)
	return g.write(wire.Record{Type: wire.TypeDone, Count: &count, Key: g.key})
}

func (g *fakeGuest) test(id wire.TestID, what string) error {
	fmt.Fprintf(g.console, "[    1.000000] vmtest: start %s\n", id)
	if err := g.write(wire.Record{Type: wire.TypeStart, TestID: &id}); err != nil {
		return err
	}
	result, end := "PASS", wire.End{DurationS: 0.01}
	switch what {
	case "fail":
		result, end.Exit = "FAIL", 1
	case "warn":
		fmt.Fprintln(g.console, "[    1.100000] ------------[ cut here ]------------\n[    1.100000] WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 x+0x1/0x2")
	case "panic":
		fmt.Fprintln(g.console, "[    1.100000] Kernel panic - not syncing: on purpose")
		os.Exit(0)
	case "killed":
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {}
	case "hang":
		time.Sleep(time.Hour)
	case "green", "silent later", "foreign later", "leaves nothing", "leaves a forgery":
	default:
		return fmt.Errorf("FAKE_GUEST=%q is none that I know", what)
	}
	output := fmt.Sprintf("\x16=== RUN   %[1]s\n\x16--- %[2]s: %[1]s (0.01s)\n\x16%[2]s\n", id.Name, result)
	if err := g.write(wire.Record{Type: wire.TypeOutput, TestID: &id, Data: []byte(output)}); err != nil {
		return err
	}
	if err := g.leave(id, what); err != nil {
		return err
	}
	return g.write(wire.Record{Type: wire.TypeEnd, TestID: &id, End: &end})
}

// leave leaves what a test that comes after this one is to find.
func (g *fakeGuest) leave(id wire.TestID, what string) error {
	wanted := slices.ContainsFunc(g.plan.Tests, func(t wire.Test) bool { return t.Before() == id })
	if !wanted || what == "leaves nothing" {
		return nil
	}
	key := g.key
	if what == "leaves a forgery" {
		key = "guessed"
	}
	return g.write(wire.Record{Type: wire.TypeLeft, TestID: &id, Path: "left.json", Data: []byte(id.Name), Key: key})
}

// Every flag that other tools rely on must exist.
func TestContractFlags(t *testing.T) {
	set := flag.NewFlagSet("run", flag.ContinueOnError)
	var f flags
	for _, v := range verbs {
		if v.name == "run" {
			for _, register := range v.register {
				register(&f, set)
			}
		}
	}
	for _, name := range []string{"series", "patch", "tree", "config", "lane", "accel", "run", "results", "v", "bisect", "design"} {
		if set.Lookup(name) == nil {
			t.Errorf("run has no flag -%s", name)
		}
	}
}

// Every design has its tests, and a series that says so.
func TestDesigns(t *testing.T) {
	for _, design := range append(slices.Clone(wire.Designs), wire.NoDesign) {
		name := design
		if design == wire.NoDesign {
			name = "control"
		}
		s, err := kernel.LoadSeries(t.Context(), filepath.Join("..", "kernel", "patches"), name)
		if err != nil || s.Design != design {
			t.Errorf("series %s has the design %q, %v; want %s", name, s.Design, err, design)
		}
		folders, only := new(flags).testFolders(design)
		for _, folder := range folders {
			dir, i386 := strings.CutSuffix(folder, wire.I386)
			if got := only[folder]; i386 != (got == wire.Virtual) || !i386 && got != "" {
				t.Errorf("design %s: %s is only for the lane %q", design, folder, got)
			}
			if found, err := filepath.Glob(filepath.Join("..", dir, "*_test.go")); err != nil || len(found) == 0 {
				t.Errorf("design %s: no tests in %s, %v", design, dir, err)
			}
		}
	}
	for said, want := range map[string]string{"": wire.NoDesign, "namespaces": "namespaces"} {
		a := app{flags: flags{source: kernel.Source{Tree: "testdata/tree"}}, progress: newProgress(), root: ".."}
		once, err := a.settle(t.Context(), inputs{}, kernel.Series{Design: said})
		if err != nil || once.Design != want {
			t.Errorf("a series of %q: %s, %v, want %s", said, once.Design, err, want)
		}
		if twice, err := a.settle(t.Context(), inputs{}, once); err != nil || !bytes.Equal(twice.Expect, once.Expect) {
			t.Errorf("a series of %q, settled again: it expects %s, %v, want %s", said, twice.Expect, err, once.Expect)
		}
	}
}
