// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// The roles of this test binary in TestContained. The variable that begins the
// role of uinit has the mount namespace of this machine.
const (
	beUinit = "BE_UINIT"
	beGuest = "BE_GUEST_TEST"
)

// A test sees a root folder that it cannot write to and an empty tmpDir. What it
// mounts and leaves there is gone after it.
func TestContained(t *testing.T) {
	mounts, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBeUinit$", "-test.v")
	cmd.Env = append(os.Environ(), beUinit+"="+mounts)
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestBeUinit") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestBeUinit(t *testing.T) {
	outside := os.Getenv(beUinit)
	if outside == "" {
		t.Skip("it is for the child of TestContained")
	}
	if mounts, err := os.Readlink("/proc/self/ns/mnt"); err != nil || mounts == outside {
		t.Fatalf("the mount namespace is %s, %v: that of the machine, which this test would change", mounts, err)
	}
	if err := protectMounts(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"TestFirst", "TestSecond"} {
		planned := wire.Test{TestID: wire.TestID{Package: "p", Name: name}}
		dir, err := mountTmp(planned)
		if err != nil {
			t.Fatal(err)
		}
		cmd := runner{}.command(planned, dir)
		cmd.Path, cmd.Args, cmd.Err = "/proc/self/exe", []string{"p.test", "-test.run=^TestBeGuestTest$", "-test.v"}, nil
		cmd.Env = append(os.Environ(), beGuest+"="+dir)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestBeGuestTest") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "mine")); err != nil || string(text) != "text" {
			t.Errorf("%s: the file of the test is %q, %v", name, text, err)
		}
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			t.Errorf("%s has mounted over our /proc: %v", name, err)
		}
		if err := unmountTmp(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: stat of its folder: %v, want that it does not exist", name, err)
		}
	}
}

func TestBeGuestTest(t *testing.T) {
	dir := os.Getenv(beGuest)
	if dir == "" {
		t.Skip("it is for the child of TestContained")
	}
	for _, path := range []string{"/new", "/dev/new"} {
		err := os.WriteFile(path, nil, 0o600)
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("write %s: %v, want %v", path, err, unix.EROFS)
		}
		if err == nil {
			_ = os.Remove(path) // it is a file of this machine
		}
	}
	if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile("mine", []byte("text"), 0o600); err != nil {
		t.Error(err)
	}
	if all, err := os.ReadDir(tmpDir); err != nil || len(all) != 1 {
		t.Errorf("%s has %v, %v, want the folder of this test alone", tmpDir, all, err)
	}
	if err := unix.Mount("none", "/proc", "tmpfs", 0, ""); err != nil {
		t.Error(err)
	}
}

// The shell of a guest that is debugged begins where the test has stopped, with
// what the test has mounted.
func TestEnterMounts(t *testing.T) {
	cmd := exec.Command("sh", "-c", "echo; read line")
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	ns, err := openMounts(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	want, err := os.Readlink("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan error)
	var got []byte
	go func() { // its thread ends with it
		err := enterMounts(ns)
		if err == nil {
			got, err = exec.Command("readlink", "/proc/self/ns/mnt").Output()
		}
		entered <- err
	}()
	if err := <-entered; errors.Is(err, unix.EPERM) && os.Getuid() != 0 {
		t.Skip("only root may enter a mount namespace")
	} else if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("a process is in %q, %v, want %s", got, err, want)
	}
}
