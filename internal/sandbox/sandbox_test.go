// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/ci"
)

func TestMain(m *testing.M) {
	if os.Args[0] == Name {
		Enter()
	}
	os.Exit(m.Run())
}

// needSandbox does what hosttest.NeedSandbox does. This package cannot import
// hosttest, because hosttest imports this package.
func needSandbox(t *testing.T) {
	t.Helper()
	if err := Try(t.Context()); err != nil {
		ci.Skip(t, "the sandbox", err)
	}
}

// folder makes a temporary folder with one file and returns its path.
func folder(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sh runs a shell script in the sandbox and returns what it printed.
func sh(t *testing.T, dir string, readable []string, script string) string {
	t.Helper()
	cmd, release, err := Box{}.Command(t.Context(), Place{Dir: dir, Readable: readable, Writable: []string{dir}}, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err := errors.Join(err, release()); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// When the process that made a sandbox is killed, the command in the sandbox ends, even
// if it has no signal handlers.
func TestSandboxEndsWithItsMaker(t *testing.T) {
	const inner = "VMTEST_SANDBOX_OF_KILLED"
	if dir := os.Getenv(inner); dir != "" {
		sh(t, dir, nil, "exec sleep 20 >fifo")
		return
	}
	needSandbox(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	maker := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	maker.Env = append(os.Environ(), inner+"="+dir)
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	written, err := os.Open(fifo) // waits until sleep has opened it for writing
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	if err := maker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := maker.Wait(); err == nil {
		t.Error("the maker ended before it was killed")
	}
	if err := written.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := written.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the command goes on after its maker was killed: read %v, want %v", err, io.EOF)
	}
}

// On Ctrl-C make deletes the target that it was making and ends by itself. It need not
// be killed.
func TestSandboxedMakeIsInterrupted(t *testing.T) {
	needSandbox(t)
	dir := folder(t, "Makefile", "half:\n\t@echo half >$@; echo >fifo; sleep 60\n")
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	cmd, release, err := Box{}.Command(ctx, Place{Dir: dir, Writable: []string{dir}}, "make")
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(fifo); err != nil { // waits until make has written the target
		t.Fatal(err)
	}
	interrupt()
	if err := cmd.Wait(); err == nil || EndedBy(cmd.ProcessState) == unix.SIGKILL {
		t.Errorf("make had to be killed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "half")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made target is still there: %v", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// Each script tries one thing that must not work in the sandbox. None of them would
// harm the machine if there were no sandbox.
func TestSandboxHolds(t *testing.T) {
	needSandbox(t)
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	unixPath := filepath.Join(outside, "socket")
	local, err := net.Listen("unix", unixPath)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "main.c"), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"write beside the folder":              "echo x > " + outside + "/new",
		"make a folder that is not there":      "mkdir -p " + outside + "/deeper && echo x > " + outside + "/deeper/new",
		"read a file outside":                  "grep s3cret " + secret,
		"write to the source":                  "echo x >> " + source + "/main.c",
		"write to the system":                  "echo x > /usr/vmtest-was-here",
		"write to the new root":                "echo x > /vmtest-was-here",
		"change a sysctl":                      "cp /proc/sys/kernel/panic panic && cp panic /proc/sys/kernel/panic",
		"see other processes":                  fmt.Sprintf("kill -0 %d || grep -z %s /proc/%d/cmdline", os.Getpid(), filepath.Base(os.Args[0]), os.Getpid()),
		"connect by TCP":                       fmt.Sprintf("perl -e 'use IO::Socket::INET; IO::Socket::INET->new(PeerAddr=>\"127.0.0.1\",PeerPort=>%d) or exit 1'", port),
		"connect to a socket file":             fmt.Sprintf("perl -e 'use IO::Socket::UNIX; IO::Socket::UNIX->new(Peer=>\"%s\") or exit 1'", unixPath),
		"make a mount writable":                "mount -o remount,bind,rw /usr",
		"mount over a folder":                  "mount -t tmpfs none " + source,
		"make one writable in more namespaces": "unshare -Urm sh -c 'mount -o remount,bind,rw /usr && echo x > /usr/vmtest-was-here'",
		"make namespaces of its own":           "unshare -n true",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if out := sh(t, dir, []string{source}, "if { "+script+"; } 2>"+dir+"/errors; then echo done; else echo refused; fi"); !strings.HasSuffix(out, "refused\n") {
				t.Errorf("%s: %s", script, out)
			}
		})
	}
	for _, path := range []string{outside + "/new", outside + "/deeper", "/usr/vmtest-was-here", "/vmtest-was-here"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was written", path)
			_ = os.RemoveAll(path) // a file that stays breaks only the next run of this test
		}
	}
	if text, err := os.ReadFile(filepath.Join(source, "main.c")); err != nil || string(text) != "x\n" {
		t.Errorf("the source holds %q, %v", text, err)
	}
}

// In the sandbox a command can read its sources, write results and temporary files,
// and compile.
func TestSandboxWorks(t *testing.T) {
	needSandbox(t)
	source := folder(t, "main.c", "int main(void) { return 0; }\n")
	dir := t.TempDir()
	out := sh(t, dir, []string{source}, "gcc -o main "+source+"/main.c && ./main && mktemp >/dev/null && echo x > /dev/null && cat <&0 /dev/fd/0 </dev/null && nproc > cpus && pwd")
	if out != dir+"\n" {
		t.Errorf("got %q, want its folder %s", out, dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "main")); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, herr := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || herr != nil || len(left) != 2 || len(hidden) != 0 {
		t.Errorf("the command left %q and %q, want main and cpus", left, hidden)
	}
}

// A guest beside a build gets the CPU first, also if somebody has started both with a low priority.
func TestSandboxGivesWay(t *testing.T) {
	needSandbox(t)
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sh(t, t.TempDir(), nil, "nice"), fmt.Sprintln(max(lowNice, 20-own)); got != want {
		t.Errorf("the command has the nice value %q, want %q", got, want)
	}
}

// If the system allows no more user namespaces, Try says which setting forbids them.
func TestTrySandboxSays(t *testing.T) {
	if os.Getenv("VMTEST_TRY") != "" {
		fmt.Println(Try(t.Context()))
		return
	}
	needSandbox(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" -test.run=TestTrySandboxSays -test.v", self)
	cmd.Env = append(os.Environ(), "VMTEST_TRY=yes")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := "cannot confine what a series runs when it is built: no namespaces can be made"; !strings.Contains(string(out), want) || !strings.Contains(string(out), "max_user_namespaces is 0") {
		t.Errorf("got %s, want it to say %q and why", out, want)
	}
}

func BenchmarkSandbox(b *testing.B) {
	for name, box := range map[string]Box{"confined": {}, "unconfined": {Off: true}} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			for b.Loop() {
				cmd, release, err := box.Command(b.Context(), Place{Dir: dir, Writable: []string{dir}}, "true")
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(cmd.Run(), release()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A command sees folders at the paths that Place.At has for them, and can write only to
// those that are writable. Its temporary files are in one of these.
func TestSandboxShowsFoldersElsewhere(t *testing.T) {
	needSandbox(t)
	src, out := folder(t, "main.c", "int x;\n"), t.TempDir()
	at := Place{Dir: "/there/src", Readable: []string{src}, Writable: []string{out}, At: map[string]string{src: "/there/src", out: "/there/out"}}
	text, err := Box{}.Output(t.Context(), at, "sh", "-c", `cp main.c ../out/ && ! touch x 2>/dev/null && touch "$TMPDIR/x" && echo $PWD $TMPDIR && ls -d `+src)
	if want := "/there/src /there/out/.tmp\n"; err == nil || !strings.HasPrefix(string(text), want) || !strings.Contains(string(text), "No such file") {
		t.Errorf("got %q, %v, want %q, and the folder's own path not there", text, err, want)
	}
	if text, err := os.ReadFile(filepath.Join(out, "main.c")); err != nil || string(text) != "int x;\n" {
		t.Errorf("the command left %q, %v", text, err)
	}
	if _, _, err := (Box{Off: true}).Command(t.Context(), at, "true"); err == nil {
		t.Error("without a sandbox the folders are not where the command looks for them, and that is no error")
	}
}

// A program whose main function does not call Enter does not start itself without end.
func TestSandboxNeedsEnter(t *testing.T) {
	was := os.Args[0]
	defer func() { os.Args[0] = was }()
	os.Args[0] = Name
	if _, err := (Box{}).Run(t.Context(), Place{Dir: "/"}, "true"); err == nil || !strings.Contains(err.Error(), "does not call sandbox.Enter") {
		t.Errorf("got %v", err)
	}
}
