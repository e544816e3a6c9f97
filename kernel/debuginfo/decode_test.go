// SPDX-License-Identifier: BSD-3-Clause

package debuginfo

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/kernel"
)

const decoded = `void stop(void);
static inline __attribute__((always_inline)) void inner(void)
{
	stop();
}
__attribute__((noinline)) void outer(void)
{
	inner();
	stop();
}
__attribute__((noinline)) void stop(void)
{
	__asm__ volatile("nop");
}
void _start(void)
{
	outer();
}
`

// program compiles the source decoded. It returns the program as an image like those of
// kernel.Build, the size of the function outer, and the offset behind the first call in
// outer.
func program(t *testing.T) (image kernel.Image, size, behindCall uint64) {
	t.Helper()
	dir := t.TempDir()
	image.Vmlinux = filepath.Join(dir, "vmlinux")
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte(decoded), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", "-g", "-O1", "-fno-pie", "-fno-optimize-sibling-calls", "-static", "-nostdlib", "-ffile-prefix-map="+dir+"=.", "-o", image.Debug(), "a.c")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	if image.DebugSHA256, err = cache.HashFile(image.Debug()); err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(image.Debug())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name != "outer" {
			continue
		}
		for at := uint64(0); at < s.Size; at++ {
			if code[s.Value-text.Addr+at] == 0xe8 { // call rel32
				return image, s.Size, at + 5
			}
		}
	}
	t.Fatal("outer calls nothing")
	return
}

func TestDecode(t *testing.T) {
	image, size, behind := program(t)
	at := func(offset uint64) string { return fmt.Sprintf("outer+%#x/%#x", offset, size) }
	call, entry := at(behind), strings.Replace(at(0), "+0/", "+0x0/", 1)
	for name, c := range map[string]struct{ in, want string }{
		"a return address shows the call": {"[    1.0]  " + call + "\r\n", "[    1.0]  " + call + " (a.c:4, inlined at a.c:8)\r\n"},
		"an instruction pointer does not": {"RIP: 0010:" + call + "\n", "RIP: 0010:" + call + " (a.c:9)\n"},
		"entry":                           {"x " + entry + " y", "x " + entry + " (a.c:4, inlined at a.c:8) y"},
		"two in a line":                   {entry + " " + call, entry + " (a.c:4, inlined at a.c:8) " + call + " (a.c:4, inlined at a.c:8)"},
		"unknown":                         {"nothing+0x1/0x2\nno_address\n", "nothing+0x1/0x2\nno_address\n"},
		"another kernel's":                {fmt.Sprintf("outer+0x1/%#x", size+64), fmt.Sprintf("outer+0x1/%#x", size+64)},
		"beyond the end":                  {fmt.Sprintf("outer+%#x/%#x", size+1, size), fmt.Sprintf("outer+%#x/%#x", size+1, size)},
	} {
		got, err := Decode(t.Context(), sandbox.Box{}, image, []byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func TestDecodeRefusesDamage(t *testing.T) {
	image, _, _ := program(t)
	image.DebugSHA256 = strings.Repeat("0", 64)
	if _, err := Decode(t.Context(), sandbox.Box{}, image, []byte("outer+0x1/0x2")); err == nil || !strings.Contains(err.Error(), "is damaged; remove") {
		t.Errorf("got %v", err)
	}
}
