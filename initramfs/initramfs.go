// SPDX-License-Identifier: BSD-3-Clause

// Package initramfs builds the guest's initramfs: u-root's init, our uinit, the
// test binaries, and the plan. Equal sources give equal archives, byte for
// byte.
package initramfs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"timens-vmtest/internal/wire"
)

// uroot is the folder of u-root's commands. Those that we use are tools of our
// go.mod, so go.sum pins them.
const uroot = "github.com/u-root/u-root/cmds/core/"

// shell is the package of the guest's shell.
const shell = "initramfs/sh"

// shellCommands are the packages of a shell's commands, besides its builtins.
// u-root has no less. Its page is a pager that can also read a pipe.
var shellCommands = []string{
	uroot + "cat", uroot + "date", uroot + "dmesg", uroot + "grep", uroot + "kill", uroot + "ls", uroot + "mount", uroot + "ps",
	uroot + "sleep", uroot + "strace", uroot + "stty", uroot + "tail", uroot + "uname", pager,
}

const pager = "github.com/u-root/u-root/cmds/exp/page"

// Spec says what an archive contains.
type Spec struct {
	Module  string                 // root folder of this module
	Scratch string                 // folder for binaries, which is kept: those that are up to date are not linked again
	Tests   []string               // folders of test packages, relative to Module; the suffix wire.I386 asks for 32-bit programs
	Only    map[string]string      // the only lane that runs a folder of Tests, by folder; others run in every lane
	Design  string                 // of the kernel's series; one of wire.Designs, or wire.NoDesign
	Flags   FlagsFunc              // for wire.Plan.CloneFlags; nil: none
	Config  []string               // the kernel's options, as lines of a .config; some tests need one
	Run     *regexp.Regexp         // selects tests by "package.Name"; nil selects all
	Without func(wire.TestID) bool // tests to leave out even if Run selects them; nil: none
	Timeout time.Duration          // of each test, in guest time
	Key     string                 // for wire.KeyPath; empty for an archive that no guest boots
	Files   FilesFunc              // further files; nil: none
	Shell   bool                   // serve a shell, with all test binaries, instead of running the plan
	Debug   *wire.Debug            // run the plan up to a test, and serve a shell there; nil: run it all
	With    []string               // programs of the host, by name or path, that a shell gets with their libraries
	Share   string                 // folder of the host whose files a shell finds in wire.ShareDir; empty: none
}

// FilesFunc returns the further programs that the tests of a plan need: the
// path on the host, by the path in the guest.
type FilesFunc func(context.Context, wire.Plan) (map[string]string, error)

// FlagsFunc returns the flags of clone3() that the headers of the kernel define; see
// wire.Plan.CloneFlags.
type FlagsFunc func(context.Context) (uint64, error)

// CompileError says that Go code of this project does not compile.
type CompileError struct {
	Command string
	Output  string
	Err     error
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s: %v\n%s", e.Command, e.Err, strings.TrimRight(e.Output, "\n"))
}
func (e *CompileError) Unwrap() error { return e.Err }

// ErrEmptyPlan is returned when no test is left to run.
var ErrEmptyPlan = errors.New("the plan is empty")

// Build compiles the guest's programs and packs them. Only one Build at a time
// may use a Scratch folder.
func Build(ctx context.Context, s Spec) (Archive, error) {
	if err := os.MkdirAll(s.Scratch, 0o755); err != nil {
		return Archive{}, err
	}
	programs, err := s.compile(ctx)
	if err != nil {
		return Archive{}, err
	}
	plan, err := s.Plan()
	if err != nil {
		return Archive{}, err
	}
	if s.Flags != nil {
		if plan.CloneFlags, err = s.Flags(ctx); err != nil {
			return Archive{}, err
		}
	}
	if s.Shell {
		return s.pack(programs, plan)
	}
	if s.Files != nil {
		files, err := s.Files(ctx, plan)
		if err != nil {
			return Archive{}, err
		}
		for _, guest := range slices.Sorted(maps.Keys(files)) {
			programs = append(programs, program{files[guest], strings.TrimPrefix(guest, "/")})
		}
	}
	return s.pack(programs, plan)
}

// program is one file of the archive.
type program struct {
	host, guest string
}

// neededBy is false for test binaries without a test in the plan. They are not
// packed, because an emulated machine would have to unpack them at each boot.
func (p program) neededBy(plan wire.Plan) bool {
	return !strings.HasPrefix("/"+p.guest, wire.TestDir) ||
		slices.ContainsFunc(plan.Tests, func(t wire.Test) bool { return wire.TestBinary(t.Package) == "/"+p.guest })
}

func (s Spec) compile(ctx context.Context) ([]program, error) {
	commands := []string{"./" + initPackage}
	if s.Shell || s.Debug != nil {
		commands = slices.Concat(commands, []string{"./" + shell}, shellCommands)
	}
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w"}
	stamp, err := s.stamp(flags, commands, s.Tests)
	if err != nil {
		return nil, err
	}
	programs := s.programs(commands)
	if ok, err := s.upToDate(stamp, programs); ok || err != nil {
		return programs, err
	}
	if err := s.goTools(ctx, flags, commands); err != nil {
		return nil, err
	}
	after, err := s.stamp(flags, commands, s.Tests)
	if err != nil || after != stamp { // a source changed meanwhile: nobody knows which text was compiled
		return programs, errors.Join(err, os.RemoveAll(s.stampFile()))
	}
	return programs, s.writeStamp(stamp, programs)
}

// programs returns where the go command leaves each program, and its place in
// the guest.
func (s Spec) programs(commands []string) []program {
	var all []program
	for _, c := range commands {
		name := filepath.Base(c)
		all = append(all, program{filepath.Join(s.Scratch, "bin", name), "bin/" + name})
	}
	for _, t := range s.suites() {
		all = append(all, t.program(s.Scratch))
	}
	return all
}

// goTools builds commands and test binaries.
func (s Spec) goTools(ctx context.Context, flags, commands []string) error {
	bin := filepath.Join(s.Scratch, "bin")
	packages, out := make(map[string][]string), make(map[string]string) // by architecture
	for _, t := range s.suites() {
		packages[t.arch] = append(packages[t.arch], "./"+t.folder)
		out[t.arch] = filepath.Dir(t.program(s.Scratch).host)
	}
	for _, dir := range append(slices.Collect(maps.Values(out)), bin) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	overlay, err := s.overlay(ctx)
	if err != nil {
		return err
	}
	var tools errgroup.Group
	tools.Go(func() error {
		_, err := s.goTool(ctx, native, slices.Concat([]string{"build", "-overlay", overlay, "-o", bin + "/"}, flags, commands))
		return err
	})
	for arch := range packages {
		tools.Go(func() error {
			_, err := s.goTool(ctx, arch, slices.Concat([]string{"test", "-c", "-o", out[arch] + "/"}, flags, packages[arch]))
			return err
		})
	}
	return tools.Wait()
}

// native is the guest's architecture.
const native = "amd64"

// goTool runs the go command in our module, for the guest's programs of one
// architecture, and returns its output.
func (s Spec) goTool(ctx context.Context, arch string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GO386=sse2", "GOFLAGS=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil && strings.Contains(stderr.String(), "no space left on device") {
		return "", &fs.PathError{Op: cmd.Args[0] + " " + args[0] + " to", Path: s.fullFile(stderr.String()), Err: syscall.ENOSPC}
	}
	if err != nil {
		return "", &CompileError{strings.Join(cmd.Args, " "), stdout.String() + stderr.String(), err}
	}
	return stdout.String(), nil
}

// fullFile returns the file that the go command could not write because the
// disk is full, if its output names one.
func (s Spec) fullFile(output string) string {
	if m := fullRE.FindStringSubmatch(output); m != nil {
		return m[1]
	}
	return filepath.Join(s.Scratch, "bin")
}

var fullRE = regexp.MustCompile(`(/[^\s:]+): no space left on device`)

// Plan lists the tests of all suites, from their sources: nothing is compiled. If
// none is selected, the error is ErrEmptyPlan and the plan says what was left out.
func (s Spec) Plan() (wire.Plan, error) {
	p := wire.Plan{Schema: wire.Schema, Design: s.Design}
	var chosen []string
	lacking := ""
	for _, t := range s.suites() {
		chosen = append(chosen, t.name())
		all, err := t.tests(s.Module)
		if err != nil {
			return wire.Plan{}, err
		}
		for _, test := range all {
			test.TimeoutS, test.Lane = s.Timeout.Seconds(), s.Only[t.spec]
			switch {
			case !s.wants(test, all):
				p.Filtered = append(p.Filtered, test.TestID)
			case test.config != "" && !slices.Contains(s.Config, test.config):
				p.Filtered = append(p.Filtered, test.TestID)
				lacking = cmp.Or(lacking, fmt.Sprintf("; %s is for kernels with %s, which a fragment can set (-config)", test, test.config))
			default:
				p.Tests = append(p.Tests, test.Test)
			}
		}
	}
	slices.SortStableFunc(p.Tests, func(a, b wire.Test) int { return cmp.Compare(min(len(a.After), 1), min(len(b.After), 1)) })
	var err error
	if p.LeftOut, err = s.leftOut(chosen); err != nil {
		return wire.Plan{}, err
	}
	if len(p.Tests) == 0 {
		return p, fmt.Errorf("%w: -run %s matches none of the %d tests; \"vmtest initramfs\" lists them%s", ErrEmptyPlan, s.Run, len(p.Filtered), lacking)
	}
	return p, nil
}

// leftOut returns the test packages that were not chosen.
func (s Spec) leftOut(chosen []string) ([]string, error) {
	others, err := filepath.Glob(filepath.Join(s.Module, "tests", "*", "*_test.go"))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, file := range others {
		pkg := filepath.Base(filepath.Dir(file))
		for _, name := range []string{pkg, pkg + wire.I386} {
			if !slices.Contains(chosen, name) && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

// wants reports whether a test must run. It must if it is selected, or if a
// selected test needs the files that it leaves.
func (s Spec) wants(test declared, all []declared) bool {
	chosen := func(t declared) bool {
		return (s.Run == nil || s.Run.MatchString(t.String())) && (s.Without == nil || !s.Without(t.TestID))
	}
	return chosen(test) || slices.ContainsFunc(all, func(later declared) bool { return later.After == test.Name && chosen(later) })
}
