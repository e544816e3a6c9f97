// SPDX-License-Identifier: BSD-3-Clause

// Package um boots kernels for User Mode Linux, which has time namespaces and no vDSO for them. It runs on
// the host: such a kernel is a program.
package um

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/kbuild"
)

var bootUM = flag.Bool("boot-um", false, "build and boot kernels for User Mode Linux, from a tree of bin/vmtest")

func TestMain(m *testing.M) { hosttest.Main(m) }

const (
	base    = "7.3" // time namespaces need the vDSO before Linux 7.1
	subject = "timens: Freeze the offsets without the vDSO, too"
	bootFor = 2 * time.Minute // it takes a second
)

// Without the patch of the series fixes the offsets of a namespace with tasks in it can be written, and their
// clocks go back. With the patch the offsets are frozen as soon as a task has entered, in whatever way, and
// not before.
func TestOffsetsFreezeWithoutVDSO(t *testing.T) {
	if !*bootUM {
		t.Skip("it builds and boots kernels for User Mode Linux; type \"make um-test\"")
	}
	m := newMachine(t)
	commit := m.commitOf(t, subject)
	for _, kernel := range []struct {
		name, commit string
		want         unix.Errno // of a write when a task has entered
	}{
		{"without the patch", commit + "^", 0},
		{"with the patch", commit, unix.EACCES},
	} {
		m.build(t, kernel.commit)
		booted := m.boot(t)
		for _, way := range []string{"nobody", "fork", "exec", "setns"} {
			want := kernel.want
			if way == "nobody" {
				want = 0
			}
			t.Run(kernel.name+"/"+way, func(t *testing.T) {
				got, ok := booted[way]
				if !ok {
					t.Fatal("the guest says nothing")
				}
				t.Logf("errno %d, the clock before and after: %d s, %d s", got.errno, got.before, got.after)
				if got.errno != want {
					t.Errorf("a write of other offsets is answered by %d, want %d", got.errno, want)
				}
				if back := got.after < got.before; way != "nobody" && back != (want == 0) {
					t.Errorf("the clock goes back: %t, want %t", back, want == 0)
				}
			})
		}
	}
}

// seen is what the guest prints of one way into a namespace: what a write of other offsets is answered by, and the
// clock of the task that has entered, before and after it.
type seen struct {
	errno         unix.Errno
	before, after int64
}

// machine is a kernel tree with the series as commits, and what is made of it.
type machine struct {
	tree, out, initrd string
	config            kconfig.Config
	programs          []string
}

// newMachine makes a git tree of the base with the series, and an initramfs with guest/init.c as its only program.
func newMachine(t *testing.T) machine {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	m := machine{tree: filepath.Join(work, "linux"), out: filepath.Join(work, "out"), initrd: filepath.Join(work, "out", "initrd")}
	if m.config, err = kconfig.Load("um.config"); err != nil {
		t.Fatal(err)
	}
	tools, err := kbuild.MakeVars(nil).Toolchain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.programs = tools.Programs
	run(t, root, filepath.Join(root, "bin", "vmtest"), "series", "edit", "-base", base, "fixes", m.tree)
	files := filepath.Join(work, "files")
	for _, dir := range []string{m.out, files} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, ".", "gcc", "-Wall", "-O2", "-static", "-o", filepath.Join(files, "init"), filepath.Join("guest", "init.c"))
	run(t, files, "sh", "-c", `echo init | cpio -o -H newc --quiet > "$1"`, "sh", m.initrd)
	return m
}

// commitOf returns the commit of the tree that has a subject.
func (m machine) commitOf(t *testing.T, subject string) string {
	t.Helper()
	for line := range strings.Lines(run(t, m.tree, "git", "log", "--format=%H %s")) {
		if hash, found := strings.CutSuffix(strings.TrimSpace(line), " "+subject); found {
			return hash
		}
	}
	t.Fatalf("the series fixes has no patch %q for Linux %s", subject, base)
	return ""
}

// build builds the kernel of a commit, and verifies its configuration.
func (m machine) build(t *testing.T, commit string) {
	t.Helper()
	run(t, m.tree, "git", "checkout", "-q", commit)
	fragment := filepath.Join(m.out, "fragment")
	if err := os.WriteFile(fragment, m.config.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	m.confined(t.Context(), t, "make", "ARCH=um", "O="+m.out, "KCONFIG_ALLCONFIG="+fragment, "allnoconfig")
	dotconfig, err := sandbox.ReadMade(m.out, ".config")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.config.Verify(dotconfig, nil); err != nil {
		t.Fatal(err)
	}
	m.confined(t.Context(), t, "make", "ARCH=um", "O="+m.out, fmt.Sprintf("-j%d", runtime.GOMAXPROCS(0)), "linux")
}

var wayRE = regexp.MustCompile(`(?m)^way (\w+) errno (\d+) before (-?\d+) after (-?\d+)\r?$`)

// boot boots the kernel that was built, and returns what guest/init.c prints, by the ways into a namespace.
func (m machine) boot(t *testing.T) map[string]seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootFor)
	defer cancel()
	// The sandbox forbids ptrace(). With seccomp=on the kernel does without it, and gets the system calls of its
	// processes by a filter and a signal.
	console := m.confined(ctx, t, filepath.Join(m.out, "linux"), "mem=64M", "initrd="+m.initrd, "seccomp=on", "con=none", "con0=fd:0,fd:1", "panic=-1")
	if !regexp.MustCompile(`(?m)^done\r?$`).Match(console) {
		t.Fatalf("the guest does not come to its end:\n%s", console)
	}
	all := make(map[string]seen)
	for _, part := range wayRE.FindAllStringSubmatch(string(console), -1) {
		var n [3]int64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseInt(part[i+2], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		all[part[1]] = seen{unix.Errno(n[0]), n[1], n[2]}
	}
	return all
}

// confined runs a command in the sandbox, where it sees the tree and writes to the folder out, and returns what
// it prints.
func (m machine) confined(ctx context.Context, t *testing.T, name string, args ...string) []byte {
	t.Helper()
	at := sandbox.Place{Dir: m.tree, Readable: []string{m.tree}, Writable: []string{m.out}, Env: kbuild.Env, Programs: m.programs}
	printed, err := sandbox.Box{}.Output(ctx, at, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, sandbox.Tail(printed, 40))
	}
	return printed
}

// run runs a command of this machine, and returns its standard output.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &said, &out)
	}
	return out.String()
}
