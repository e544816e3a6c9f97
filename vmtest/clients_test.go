// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel/source"
)

var (
	bootClients = flag.Bool("boot-clients", false, "boot kernels for the programs in tests/clients, by ../bin/vmtest")
	baseOfTests = flag.String("base", source.DefaultRelease, "name of the base for -boot-clients and -real-mails")
)

// compileClients compiles the programs in tests/clients as they are compiled for a user.
func compileClients(t *testing.T) (dir string) {
	t.Helper()
	retest.IfChanged(t, "..", "tests/clients")
	dir = t.TempDir()
	for _, design := range wire.Designs {
		cmd := exec.Command("gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(dir, design), filepath.Join("..", "tests", "clients", design+".c"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	return dir
}

// The programs compile without a warning, and say how they are called. Seconds that are no number, or
// whose nanoseconds do not fit into 64 bits, are refused before anything is done: 18446744074 s
// are 290448384 ns in 64 bits.
func TestClientsCompile(t *testing.T) {
	dir := compileClients(t)
	for _, design := range wire.Designs {
		out, err := exec.Command(filepath.Join(dir, design), "1").CombinedOutput()
		if code := exitCode(t, err); code != 2 || !strings.Contains(string(out), "usage: ") {
			t.Errorf("%s: exit code %d, %q", design, code, out)
		}
		for _, bad := range []string{"18446744074", "4611686019", "-1", "abc", "1s", ""} {
			for _, args := range [][]string{{bad, "1", "true"}, {"1", bad, "true"}} {
				out, err := exec.Command(filepath.Join(dir, design), args...).CombinedOutput()
				if code := exitCode(t, err); code != 2 || !strings.Contains(string(out), strconv.Quote(bad)+" is no number of seconds") {
					t.Errorf("%s %q: exit code %d, %q", design, args, code, out)
				}
			}
		}
		if out, err := exec.Command(filepath.Join(dir, design)).Output(); err != nil || !clocksRE.Match(out) {
			t.Errorf("%s prints %q, %v", design, out, err)
		}
	}
}

var clocksRE = regexp.MustCompile(`(?m)^monotonic (\d+)\nboottime (\d+)$`)

// ways are the system calls by which a client may make its child.
var ways = []string{"clone3", "unshare", "openat", "write", "close", "clone"}

// wayOf returns the system calls of the first process in a log of strace, from the first of ways to
// the one that made the child.
func wayOf(log string) []string {
	var all []string
	first, _, _ := strings.Cut(strings.TrimSpace(log), " ")
	for line := range strings.Lines(log) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != first {
			continue
		}
		name, _, _ := strings.Cut(words[1], "(")
		if name == "wait4" {
			break
		}
		if slices.Contains(ways, name) {
			all = append(all, name)
		}
	}
	return all
}

// On the kernel of its design, a client makes its child by one system call, and on an unpatched kernel
// in the old way. Its child sees the same clocks. An error that does not say that the kernel is too old
// ends the client: with EINVAL and offsets other than 0, it does not try the old way.
func TestClients(t *testing.T) {
	if !*bootClients {
		t.Skip("it boots kernels; type \"make client-test\"")
	}
	dir := compileClients(t)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, design := range wire.Designs {
		for _, series := range []string{"control", design} {
			want := []string{"clone3", "unshare", "openat", "write", "close", "clone"}
			if series == design {
				want = []string{"clone3"}
			}
			t.Run(series+"/"+design, func(t *testing.T) {
				program := "/share/" + design
				script := fmt.Sprintf(`strace -o /tmp/refused -e inject=clone3:error=EINVAL %[1]s 1000000 2000000 %[1]s; echo exit $?; cat /tmp/refused; echo end; `+
					`strace -f -o /tmp/log %[1]s 1000000 2000000 %[1]s && cat /tmp/log`, program)
				cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "vmtest"), "shell", "-base", *baseOfTests, "-series", series, "-with", "strace", "-share", dir, "--", "sh", "-c", script)
				var out, said bytes.Buffer
				cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, realEnv(t), &out, &said
				if err := cmd.Run(); err != nil {
					t.Fatalf("%v\n%s%s", err, &said, &out)
				}
				refused, rest, _ := strings.Cut(out.String(), "\nend\n")
				if !strings.Contains(refused, "exit 1\n") || !strings.Contains(refused, "EINVAL (Invalid argument) (INJECTED)") || strings.Contains(refused, "unshare(") {
					t.Errorf("with EINVAL from clone3(), the client does not end with exit code 1 and without unshare():\n%s%s", &said, &out)
				}
				at := clocksRE.FindStringSubmatchIndex(rest)
				if at == nil {
					t.Fatalf("no clocks in\n%s", &out)
				}
				for i, begin := range []int{1000000, 2000000} {
					got, err := strconv.Atoi(rest[at[2+2*i]:at[3+2*i]])
					if err != nil || got < begin || got > begin+30 {
						t.Errorf("the clock is %d, want %d or a little more", got, begin)
					}
				}
				if got := wayOf(rest[at[1]+1:]); !slices.Equal(got, want) {
					t.Errorf("the child was made by %q, want %q:\n%s", got, want, &out)
				}
			})
		}
	}
}
