// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// settings makes a folder like /proc/sys.
func settings(t *testing.T, values map[string]string) (root string, set func(name, value string)) {
	t.Helper()
	root = t.TempDir()
	set = func(name, value string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range values {
		set(name, value)
	}
	return root, set
}

// What a test has changed is named and put back, and the next test is not
// blamed for it.
func TestRestoreSysctls(t *testing.T) {
	long := strings.Repeat("x", 2*sysctlLimit)
	root, set := settings(t, map[string]string{
		"kernel/printk": "7\t4\t1\t7\n", "kernel/threads-max": "3859\n", "kernel/ns_last_pid": "70\n", "vm/empty": "", "vm/long": long,
	})
	s, err := readSysctls(root)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, s)
	restore := func(want []wire.Sysctl) {
		t.Helper()
		if got, err := s.restore(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	restore(nil)
	set("kernel/printk", "1\t4\t1\t7\n")
	set("kernel/threads-max", "38590") // begins like the old value
	set("kernel/ns_last_pid", "90\n")
	set("vm/empty", "9")
	set("vm/long", "short")
	restore([]wire.Sysctl{
		{Name: "kernel/printk", Before: "7\t4\t1\t7\n", After: "1\t4\t1\t7\n"},
		{Name: "kernel/threads-max", Before: "3859\n", After: "38590"},
		{Name: "vm/empty", Before: "", After: "9", Stays: true}, // a file keeps its length
	})
	restore(nil)
	if text, err := os.ReadFile(filepath.Join(root, "kernel/printk")); err != nil || string(text) != "7\t4\t1\t7\n" {
		t.Errorf("kernel/printk is %q, %v, want the value before the test", text, err)
	}
}

func closeAll(t *testing.T, s *sysctls) {
	t.Helper()
	for _, c := range s.all {
		if err := unix.Close(c.fd); err != nil {
			t.Error(err)
		}
	}
}

// A setting is put back that the kernel refuses as long as another one is not
// back.
func TestRestoreCoupledSysctls(t *testing.T) {
	root, set := settings(t, map[string]string{"net/1_least": "5", "net/2_most": "9"})
	s, err := readSysctls(root)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, s)
	s.write = func(fd int, value []byte, at int64) (int, error) {
		least, most := value, value
		for _, c := range s.all {
			now := make([]byte, 1)
			if _, err := unix.Pread(c.fd, now, 0); err != nil {
				return 0, err
			}
			switch {
			case c.fd == fd:
			case c.name == "net/1_least":
				least = now
			default:
				most = now
			}
		}
		if string(least) > string(most) {
			return 0, unix.EINVAL
		}
		return unix.Pwrite(fd, value, at)
	}
	set("net/1_least", "1")
	set("net/2_most", "2")
	got, err := s.restore()
	want := []wire.Sysctl{{Name: "net/1_least", Before: "5", After: "1"}, {Name: "net/2_most", Before: "9", After: "2"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
