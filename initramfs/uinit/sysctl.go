// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// sysctlDir is the folder of the kernel's settings.
const sysctlDir = "/proc/sys"

// sysctlLimit is more than the bytes of any value that is compared.
const sysctlLimit = 1 << 10

// notCompared are the settings whose values say nothing about a test, with the
// reason.
var notCompared = map[string]string{
	"kernel/hung_task_detect_count":     "the kernel counts hung tasks in it",
	"kernel/hung_task_warnings":         "the kernel counts its warnings down",
	"kernel/ns_last_pid":                "every fork() changes it",
	"kernel/perf_event_max_sample_rate": "the kernel lowers it when interrupts take long",
	"kernel/tainted":                    "every record has it",
	"vm/stat_refresh":                   "to read it makes every CPU work",
}

// sysctls are the settings of the kernel that can be written, with the values
// that they had before the first test.
type sysctls struct {
	all   []sysctl
	buf   []byte
	write func(fd int, value []byte, at int64) (int, error)
}

type sysctl struct {
	name  string // below the folder
	fd    int    // stays open: a test may take a millisecond, and to open all files takes longer
	value []byte
}

// sysctlsSoon begins readSysctls, and returns a function that waits for its
// result. Meanwhile the caller waits for other things.
func sysctlsSoon(root string) func() (*sysctls, error) {
	var s *sysctls
	var err error
	done := make(chan struct{})
	go func() {
		s, err = readSysctls(root)
		close(done)
	}()
	return func() (*sysctls, error) {
		<-done
		return s, err
	}
}

// readSysctls reads all settings below the folder root that can be read and
// written.
func readSysctls(root string) (*sysctls, error) {
	s := &sysctls{buf: make([]byte, sysctlLimit), write: unix.Pwrite}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		if _, ok := notCompared[name]; ok {
			return nil
		}
		// The kernel refuses even root what the file's mode does not allow.
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == unix.EACCES || err == unix.EPERM {
			return nil
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: path, Err: err}
		}
		n, err := unix.Pread(fd, s.buf, 0)
		if err != nil || n == len(s.buf) { // some can be read only at certain times
			return unix.Close(fd)
		}
		s.all = append(s.all, sysctl{name, fd, bytes.Clone(s.buf[:n])})
		return nil
	})
	return s, err
}

// differing calls f with each setting that does not have its value, and with
// the value that it has.
func (s *sysctls) differing(f func(c *sysctl, now []byte)) error {
	for i := range s.all {
		c := &s.all[i]
		// The kernel clears as much memory as we ask for. One byte more than
		// there was shows a longer value, too.
		now, err := s.read(c, len(c.value)+1)
		if err != nil {
			return err
		}
		if bytes.Equal(now, c.value) {
			continue
		}
		if now, err = s.read(c, len(s.buf)); err != nil {
			return err
		}
		f(c, now)
	}
	return nil
}

// read returns up to n bytes of a setting, until the next read.
func (s *sysctls) read(c *sysctl, n int) ([]byte, error) {
	n, err := unix.Pread(c.fd, s.buf[:n], 0)
	if err == unix.ENOENT {
		return c.value, nil // what it is the setting of is gone, such as a network interface
	}
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", sysctlDir, c.name, err)
	}
	return s.buf[:n], nil
}

// restore puts back the values that a test has changed, and returns them. A
// value that cannot be put back counts from now on, so that later tests are not
// blamed for it.
func (s *sysctls) restore() ([]wire.Sysctl, error) {
	var changed []wire.Sysctl
	err := s.differing(func(c *sysctl, now []byte) {
		changed = append(changed, wire.Sysctl{Name: c.name, Before: string(c.value), After: string(now)})
	})
	if changed == nil || err != nil {
		return nil, err
	}
	for range 2 { // the kernel may refuse a value as long as another one is not back
		if err := s.differing(func(c *sysctl, _ []byte) {
			_, _ = s.write(c.fd, c.value, 0) // the next read shows whether it worked
		}); err != nil {
			return nil, err
		}
	}
	return changed, s.differing(func(c *sysctl, now []byte) {
		for i := range changed {
			if changed[i].Name == c.name {
				changed[i].Stays = true
			}
		}
		c.value = bytes.Clone(now)
	})
}
