// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/kerneltest"
	"timens-vmtest/kernel/patch"
)

func TestMain(m *testing.M) { hosttest.Main(m) }

const uapi = `typedef unsigned long long u64a __attribute__((aligned(8)));
struct clone_args { u64a flags; int *pidfd; long stack; };
struct clone_namespaces { struct { u64a monotonic; u64a boot; } time; u64a user; };
struct declared_only;
struct element { u64a sec; };
`

// The layouts of the two architectures differ, because a pointer has another size.
func TestABI(t *testing.T) {
	w := kerneltest.New(t, map[string]string{
		"include/uapi/linux/sched.h": "#error the series has another one\n",
		"kernel/fork.c":              "#include \"sched.h\"\nstruct clone_args a; struct clone_namespaces n; struct declared_only *d;\n",
		"kernel/namespace.c":         "#include \"sched.h\"\nstruct element e;\n",
		"kernel/other.c":             "struct clone_args { char wrong; } a;\n",
		"kernel/sched.h":             uapi,
	})
	vmlinux := filepath.Join(t.TempDir(), "vmlinux")
	if _, err := sandbox.Run(sandbox.Command(t.Context(), filepath.Join(w.Base.Dir, "kernel"), nil, "gcc", "-g", "-nostdlib", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-lto",
		"-Wl,--allow-multiple-definition", "-o", vmlinux+".debug", "other.c", "fork.c", "namespace.c")); err != nil {
		t.Fatal(err)
	}
	image := kernel.Image{Vmlinux: vmlinux, DebugSHA256: "one"}
	patch, err := patch.Parse("x.patch", []byte("diff --git a/include/uapi/linux/sched.h b/include/uapi/linux/sched.h\n--- a/include/uapi/linux/sched.h\n+++ b/include/uapi/linux/sched.h\n@@ -1 +1,5 @@\n"+
		"-#error the series has another one\n+"+strings.ReplaceAll(strings.TrimSuffix(uapi, "\n"), "\n", "\n+")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := w.Tree(t, patch)
	abi, err := ABI(t.Context(), w.Host, image, tree, []string{"clone_args", "clone_namespaces", "element", "declared_only", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	const namespaces = "{clone_namespaces 24 [{time.monotonic 0 8} {time.boot 8 8} {user 16 8}]} {element 8 [{sec 0 8}]}"
	if got, want := fmt.Sprint(abi.X86_64), "[{clone_args 24 [{flags 0 8} {pidfd 8 8} {stack 16 8}]} "+namespaces+"]"; got != want {
		t.Errorf("x86_64: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(abi.I386), "[{clone_args 16 [{flags 0 8} {pidfd 8 4} {stack 12 4}]} "+namespaces+"]"; got != want {
		t.Errorf("i386: %s, want %s", got, want)
	}

	image.DebugSHA256 = "another"
	if _, err := ABI(t.Context(), w.Host, image, tree, []string{"absent"}); err == nil || !strings.Contains(err.Error(), "no debug information of struct absent") {
		t.Errorf("no structure is in the kernel: got %v", err)
	}
	if _, err := ABI(t.Context(), w.Host, image, w.Tree(t), []string{"clone_args"}); err == nil || !strings.Contains(err.Error(), "the series has another one") {
		t.Errorf("a header does not compile: got %v", err)
	}
}
