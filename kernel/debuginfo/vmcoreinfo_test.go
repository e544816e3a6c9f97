// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The names of a kernel and the addresses of its symbols are read from its vmlinux. Symbols that it lacks are left out, and names
// that are not there are unknown.
func TestVmcoreinfo(t *testing.T) {
	for name, tc := range map[string]struct{ uts, want string }{
		"a kernel":     {`.ascii "Linux"; .zero 385`, "Linux"},
		"another kind": {`.ascii "Minix"; .zero 385`, ""},
	} {
		dir := t.TempDir()
		text := ".globl init_uts_ns, _stext\n.text\n_stext: ret\n.data\ninit_uts_ns: " + tc.uts + "\n"
		if err := os.WriteFile(filepath.Join(dir, "k.S"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x100000", "-Wl,-Tdata=0x200000", "-Wl,-e,_stext", "-o", "vmlinux", "k.S")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		uts, info, err := Vmcoreinfo(filepath.Join(dir, "vmlinux"), "6.12.1", "ab12")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimRight(string(uts), "\x00"); got != tc.want || tc.want != "" && len(uts) != namesSize {
			t.Errorf("%s: the names are %q", name, uts)
		}
		want := "OSRELEASE=6.12.1\nBUILD-ID=ab12\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=200000\nSYMBOL(_stext)=100000\nNUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\nKERNELOFFSET=0\n"
		if string(info) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, info, want)
		}
	}
	if _, _, err := Vmcoreinfo(filepath.Join(t.TempDir(), "vmlinux"), "", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
