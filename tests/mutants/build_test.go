// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/source"
	"timens-vmtest/tests/mutants/generate"
)

// fakeVmtest is a bin/vmtest whose kernels are those of folders that lie ready. The name of a
// mutant's patch begins with the name of its folder.
const fakeVmtest = `#!/bin/sh
echo "$*" >>calls
case "$*" in
*-order*-order*) echo '-order is given twice' >&2; exit 2 ;;
kernel*-patch*/lacks*) printf 'make it\nf.c:1:2: error: no such thing\nmake: failed\n' >&2; exit 3 ;;
kernel*-patch*/breaks*) echo 'no room' >&2; exit 4 ;;
kernel*-patch*/same*) echo same/vmlinux ;;
kernel*-patch*/other*) echo other/vmlinux ;;
kernel*) echo first/vmlinux ;;
run*) mkdir -p "$3/latest"; echo '{"verdict":"pass"}' >"$3/latest/report.json" ;;
esac
`

// program compiles a program that takes the place of a kernel, in which one function returns n.
func program(t *testing.T, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	source, made := filepath.Join(dir, "k.c"), filepath.Join(dir, "k")
	text := fmt.Sprintf("__attribute__((noinline)) int f(void) { return %d; }\nvoid _start(void) { while (f()); }\n", n)
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-nostdlib", "-static", "-o", made, source).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	code, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// A generated mutant is booted only if its kernel can be built and has other code. What was
// built for it is removed.
func TestPrejudge(t *testing.T) {
	first, other := program(t, 1), program(t, 2)
	t.Chdir(t.TempDir())
	for name, text := range map[string][]byte{"first": first, "same": first, "other": other} {
		if err := errors.Join(os.Mkdir(name, 0o755), os.WriteFile(filepath.Join(name, "vmlinux"), text, 0o644), os.WriteFile(filepath.Join(name, "config"), []byte("CONFIG_A=y\n# CONFIG_B is not set\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	const functions = "define CONFIG_B A_MACRO=7\n" // CONFIG_B is not set
	if err := errors.Join(os.MkdirAll(filepath.Dir(functionsFile), 0o755), os.WriteFile(functionsFile, []byte(functions), 0o644), os.Mkdir("bin", 0o755), os.WriteFile("bin/vmtest", []byte(fakeVmtest), 0o755)); err != nil {
		t.Fatal(err)
	}
	r := runner{host: host.Host{Cache: cache.Cache{Dir: t.TempDir()}, Report: new(reporter)}, base: "6.12", first: true, unmutated: make(map[string]unmutated)}
	r.made = &generation{asked: map[string]map[string]bool{"control": {"CONFIG_A": true, "CONFIG_B": false}}}
	unpatched := kernel.Tree{Base: source.Base{Version: "6.12.1"}}
	if err := r.unmutatedKernel(t.Context(), "control", unpatched); err != nil || r.unmutated["control"].vmlinux != "first/vmlinux" {
		t.Fatalf("the kernel without a mutant is %q, %v", r.unmutated["control"].vmlinux, err)
	}
	if got, want := r.unmutated["control"].config, (generate.Config{"CONFIG_A": "1", "A_MACRO": "7"}); !maps.Equal(got, want) {
		t.Errorf("the preprocessor knows %v, want %v", got, want)
	}
	for _, c := range []struct {
		name, says string
		boots      int
	}{
		{"lacks", "does not build: f.c:1:2: error: no such thing", 0},
		{"same", "is equivalent: the compiler makes the same code", 0},
		{"other", "IS WRONG: it survives", 2},
		{"breaks", "IS WRONG: it bin/vmtest kernel -base 6.12", 0},
		{"same", "is equivalent: the compiler makes the same code", 0}, // it is remembered: its kernel is gone
	} {
		if err := os.WriteFile("calls", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		got := r.run(t.Context(), patched{mutant: mutant{series: "control", name: "f.c/f/" + c.name, generated: true}, patch: []byte(c.name)}, nil).says(3)
		calls, err := os.ReadFile("calls")
		if boots := strings.Count(string(calls), "run "); !strings.HasPrefix(got, c.says) || boots != c.boots || err != nil {
			t.Errorf("%s: got %q and %d boots, want %q and %d; %v; calls:\n%s", c.name, got, boots, c.says, c.boots, err, calls)
		}
	}
	for name, want := range map[string]error{"first": nil, "same": fs.ErrNotExist, "other": fs.ErrNotExist} {
		if _, err := os.Stat(name); !errors.Is(err, want) {
			t.Errorf("the kernel %s: %v, want %v", name, err, want)
		}
	}
	r.made.asked["control"]["CONFIG_B"] = true
	if err := r.unmutatedKernel(t.Context(), "control", unpatched); err == nil || !strings.Contains(err.Error(), "does not set CONFIG_B") {
		t.Errorf("CONFIG_B is not set: %v", err)
	}
}
