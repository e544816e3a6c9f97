// SPDX-License-Identifier: BSD-3-Clause

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
)

// battlefield is what the makefiles of the red team attack.
type battlefield struct {
	home   string // holds the file "secret"; it is HOME, and has the sockets of an agent and of D-Bus
	source string // read-only for the makefile: it has "main.c"
	dir    string // the makefile's own
}

const secret = "s3cret-of-the-user"

func newBattlefield(t *testing.T) battlefield {
	t.Helper()
	b := battlefield{home: folder(t, "secret", secret), source: folder(t, "main.c", "int x;\n"), dir: t.TempDir()}
	t.Setenv("HOME", b.home)
	t.Setenv("TOKEN", secret)
	for _, at := range []string{filepath.Join(b.home, "agent"), filepath.Join(b.home, "bus"), "@vmtest-" + filepath.Base(b.home) + fmt.Sprint(os.Getpid())} {
		l, err := net.Listen("unix", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(b.home, "agent"))
	return b
}

// make runs a makefile. In its text @HOME, @SOURCE and @OUT stand for the folders, and
// @PID for a process of the host.
func (b battlefield) make(ctx context.Context, t *testing.T, l Limits, makefile string) (string, error) {
	t.Helper()
	text := strings.NewReplacer("@HOME", b.home, "@SOURCE", b.source, "@OUT", b.dir, "@PID", fmt.Sprint(os.Getpid()),
		"@ABSTRACT", "vmtest-"+filepath.Base(b.home)+fmt.Sprint(os.Getpid())).Replace(makefile)
	if err := os.WriteFile(filepath.Join(b.dir, "Makefile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd, release, err := Box{Limits: l}.Command(ctx, Place{Dir: b.dir, Readable: []string{b.source}, Writable: []string{b.dir}}, "make")
	if err != nil {
		t.Fatal(err)
	}
	out, err := CombinedOutput(cmd, release)
	return string(out), err
}

// unharmed demands that the host is as it was.
func (b battlefield) unharmed(t *testing.T) {
	t.Helper()
	for path, want := range map[string]string{filepath.Join(b.home, "secret"): secret, filepath.Join(b.source, "main.c"): "int x;\n"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
	}
	for dir, want := range map[string]int{b.home: 3, b.source: 1} {
		if all, err := os.ReadDir(dir); err != nil || len(all) != want {
			t.Errorf("%s has %v, %v, want %d files", dir, all, err, want)
		}
	}
	if left, err := filepath.Glob("/proc/[0-9]*/cwd"); err != nil {
		t.Error(err)
	} else {
		for _, link := range left {
			if at, err := os.Readlink(link); err == nil && below(strings.TrimSuffix(at, " (deleted)"), b.dir) {
				t.Errorf("a process goes on: %s is in %s", link, at)
			}
		}
	}
	if err := cache.RemoveAll(b.dir); err != nil {
		t.Errorf("what was made cannot be removed: %v", err)
	}
}

// Each makefile tries to read, change or reach something that is not its own. "won" is
// printed, or the file "won" written, if it can. The build goes on to its end.
func TestRedTeamGetsNothing(t *testing.T) {
	needSandbox(t)
	const connect = `perl -MSocket -e 'socket(my $$s, AF_UNIX, SOCK_STREAM, 0); connect($$s, pack_sockaddr_un($$ARGV[0])) and print "won\n"' -- `
	for name, recipe := range map[string]string{
		"read/shadow":         `grep -q root: /etc/shadow && echo won`,
		"read/users":          `grep -v -e ^root:x:0: -e ^nobody: /etc/passwd && echo won`,
		"read/machine":        `cat /etc/machine-id /etc/hostname /var/lib/dbus/machine-id && echo won`,
		"read/keys":           `ls /etc/ssh /root/.ssh ~/.ssh && echo won`,
		"read/home":           `cat @HOME/secret && echo won`,
		"read/tmp":            `ls -A /tmp | grep -c . | grep -v -x -e 0 -e 1 && echo won`,
		"read/environ":        `cat /proc/*/environ | tr '\0' '\n' | grep TOKEN= && echo won`,
		"read/processes":      `cat /proc/@PID/cmdline && echo won`,
		"read/memory":         `head -c1 /proc/kcore /dev/mem /dev/kmem /dev/port && echo won`,
		"read/kernel log":     `dmesg 2>/dev/null | grep . && echo won; head -c1 /dev/kmsg && echo won`,
		"read/disk":           `ls /dev | grep -v -e null -e zero -e full -e random -e fd && echo won`,
		"write/source":        `echo x >>@SOURCE/main.c && echo won; chmod 777 @SOURCE && echo won; mv @SOURCE/main.c @SOURCE/x && echo won`,
		"write/system":        `echo x >/usr/vmtest-was-here && echo won; touch /etc/vmtest-was-here && echo won`,
		"write/beside":        `echo x >$(dir @OUT)beside && echo won; mkdir -p @HOME/.config && echo x >@HOME/.bashrc && echo really >@HOME/.config/x`,
		"write/links":         `ln -s @HOME/secret vmlinux; rm -rf .tmp; ln -s @HOME .tmp; echo x >.tmp/x && echo won; :`,
		"write/fifo":          `mkfifo .config; rm -rf .tmp; mkfifo .tmp`,
		"write/set-user-ID":   `cp /bin/sh sh; chmod u+s sh && echo won; install -m 2755 /bin/sh sh2; perl -e 'sysopen(F, "sh3", 0101, 04755)'; find . -perm /6000 | grep . && echo won`,
		"write/device":        `mknod disk b 254 0 && echo won; mknod mem c 1 1 && echo won`,
		"write/sysctl":        `echo /tmp/x >/proc/sys/kernel/core_pattern && echo won; echo 1 >/proc/sys/vm/drop_caches && echo won; echo c >/proc/sysrq-trigger && echo won`,
		"write/root":          `mkdir /vmtest-was-here && echo won; mount --bind @OUT /usr && echo won; unshare -rm true && echo won; chroot @OUT true && echo won`,
		"reach/network":       `perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr=>"127.0.0.1:@PORT") and print "won\n"'; ip link 2>/dev/null | grep -v -e lo: -e loopback && echo won`,
		"reach/agent":         connect + `@HOME/agent; [ -z "$$SSH_AUTH_SOCK" ] || echo won`,
		"reach/D-Bus":         connect + `@HOME/bus; ls /run/dbus /var/run/dbus && echo won`,
		"reach/abstract":      `perl -MSocket -e 'socket(my $$s, AF_UNIX, SOCK_STREAM, 0); connect($$s, pack_sockaddr_un("\0@ABSTRACT")) and print "won\n"'`,
		"reach/ptrace":        `perl -e 'print "won\n" if syscall(101, 16, getppid(), 0, 0) == 0; print "won\n" if syscall(101, 16, @PID, 0, 0) == 0'`,
		"reach/signals":       `kill -0 @PID && echo won; for n in $$(seq 2 500); do [ -d /proc/$$n ] || kill -0 $$n && [ ! -d /proc/$$n ] && echo won; done; kill -STOP 1; kill -KILL 1; kill -TERM 1`,
		"reach/core handler":  `ulimit -c | grep -v '^0$$' && ulimit -c unlimited && echo won; sh -c 'kill -SEGV $$$$'`,
		"outlast/daemon":      `perl -MPOSIX -e 'fork and exit; setsid(); fork and exit; $$SIG{TERM}="IGNORE"; sleep 1 while open(F, ">>", "alive") and print F "x"'; sleep 0.2; test -e alive`,
		"outlast/nohup":       `nohup sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 & test -d /proc/1`,
		"fill/deep":           `perl -e 'for (1..1100) { mkdir "dddd"; chdir "dddd" or die }'`,
		"fill/unreadable":     `perl -e 'mkdir "\xff"; open F, ">", "\xff/f"; chmod 0, "\xff"'; mkdir -p a/b/c && chmod 0 a/b/c a/b a; mkdir -p .tmp/a/b && chmod 0 .tmp/a`,
		"fill/device memory":  `echo x >/dev/shm/x && echo won; echo x >/run/x && echo won; echo x >/tmp/x && echo won`,
		"fill/message queues": `ipcmk -Q && echo won; ipcmk -M 1000000 && echo won; ipcmk -S 10 && echo won`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBattlefield(t)
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer tcp.Close()
			recipe = strings.ReplaceAll(recipe, "@PORT", fmt.Sprint(tcp.Addr().(*net.TCPAddr).Port))
			out, err := b.make(t.Context(), t, Limits{}, "all:\n\t-@"+recipe+"\n\t@echo went on\n")
			if err != nil {
				t.Errorf("make: %v", err)
			}
			if !strings.HasSuffix(out, "went on\n") {
				t.Errorf("the build did not go on")
			}
			for line := range strings.Lines(out) {
				if line == "won\n" || strings.Contains(line, secret) {
					t.Errorf("the makefile won")
				}
			}
			for _, path := range []string{"/usr/vmtest-was-here", "/etc/vmtest-was-here", "/vmtest-was-here", filepath.Join(filepath.Dir(b.dir), "beside")} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s was made", path)
					_ = os.Remove(path) // it breaks only the next run of this test
				}
			}
			b.unharmed(t)
			if t.Failed() {
				t.Logf("%s\nprinted:\n%s", recipe, Tail([]byte(out), 30))
			}
		})
	}
}

// Each makefile breaks one bound. All its processes are ended, soon, and the series is
// to blame.
func TestRedTeamIsBound(t *testing.T) {
	needSandbox(t)
	for _, tc := range []struct{ name, limits, recipe, want string }{
		{"fill/fork bomb", "processes=60", `f() { f | f & f; }; f`, "make had 60 processes and threads at once, and was ended; if you trust the series, raise this bound with -sandbox-limits processes=120"},
		{"fill/threads", "processes=60", `perl -Mthreads -e 'threads->create(sub { sleep 1000 }) while 1'`, "had 60 processes and threads"},
		{"fill/make of makes", "processes=60", `$(MAKE) all`, "had 60 processes and threads"},
		{"fill/memory", "memory=150MiB", `perl -e 'my @a; push @a, "x" x 1_000_000 for 1..500; sleep 1000'`, "used more than 150MiB of memory, and was ended; if you trust the series, raise this bound with -sandbox-limits memory=300MiB"},
		{"fill/memory of many", "memory=150MiB", `for i in 1 2 3 4; do perl -e '$$a = "x" x 60_000_000; sleep 1000' & done; wait`, "used more than 150MiB of memory"},
		{"fill/shared memory", "memory=150MiB", `gcc -o shared -xc - <shared.c && ./shared`, "used more than 150MiB of memory"},
		{"fill/log", "output=1MiB", `yes`, "printed more than 1.0MiB, and was ended; if you trust the series, raise this bound with -sandbox-limits output=2.0MiB"},
		{"fill/log at once", "output=1MiB", `head -c 3000000 /dev/zero`, "printed more than 1.0MiB"},
		{"fill/disk", "disk=40MiB", `i=0; while :; do i=$$((i+1)); head -c 1000000 /dev/zero >f$$i || exit; [ $$i -lt 3000 ] || sleep 1000; done`, "wrote more than 40MiB, and was ended; if you trust the series, raise this bound with -sandbox-limits disk=80MiB"},
		{"fill/disk with deleted files", "disk=40MiB", `perl -e 'for $$i (1..500) { open $$f[$$i], ">", "f"; unlink "f"; print {$$f[$$i]} "x" x 1_000_000 } sleep 1000'`, "wrote more than 40MiB"},
		{"fill/one file", "disk=40MiB", `cat /dev/zero >big`, "wrote a file of more than 10MiB"},
		{"fill/sparse file", "disk=40MiB", `truncate -s 1T big`, "wrote a file of more than 10MiB"},
		{"fill/files", "files=3000", `perl -e 'for (1..10000) { open F, ">", "f$$_" } sleep 1000'`, "made more than 3000 files"},
		{"fill/folders too deep to measure", "files=3000", `perl -e 'for (1..4000) { mkdir "dddd"; chdir "dddd" } sleep 1000'`, "folders that cannot be measured"},
		{"outlast/endless make", "time=1s", `while :; do :; done`, "ran longer than 1s, and was ended; if you trust the series, raise this bound with -sandbox-limits time=2s"},
		{"outlast/ignoring signals", "time=1s", `trap '' TERM INT HUP; while :; do sleep 1000; done`, "ran longer than 1s"},
		{"outlast/stopped", "time=1s", `kill -STOP $$$$`, "ran longer than 1s"},
		{"outlast/all stopped", "time=1s", `kill -STOP -1`, "ran longer than 1s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBattlefield(t)
			limits, err := ParseLimits(tc.limits)
			if err != nil {
				t.Fatal(err)
			}
			const shared = "#include <sys/mman.h>\n#include <unistd.h>\nint main(void) { for (int n = 0; n < 500; n++) { char *p = mmap(0, 1<<20, PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0); for (int i = 0; i < 1<<20; i += 4096) p[i] = 1; usleep(1000); } pause(); }\n"
			if err := os.WriteFile(filepath.Join(b.dir, "shared.c"), []byte(shared), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out, err := b.make(ctx, t, limits, "all:\n\t@"+tc.recipe+"\n")
			if _, bound := errors.AsType[*blame.BoundError](err); !bound || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if got := blame.Of(fmt.Errorf("build: %w", err)); got != blame.Kernel {
				t.Errorf("party %d is to blame, want the kernel", got)
			}
			if fault := HostFault(ctx, "build", err, []byte(out), b.dir); fault != nil {
				t.Errorf("the host is to blame: %v", fault)
			}
			if limits.Output > 0 && int64(len(out)) > limits.Output {
				t.Errorf("%d bytes were kept of what it printed", len(out))
			}
			if t.Failed() {
				t.Logf("printed:\n%s", Tail([]byte(out), 20))
			}
			b.unharmed(t)
		})
	}
}

// A make that ignores what it is told is killed when the caller is interrupted.
func TestRedTeamIsInterrupted(t *testing.T) {
	needSandbox(t)
	b := newBattlefield(t)
	if err := unix.Mkfifo(filepath.Join(b.dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		_, _ = os.ReadFile(filepath.Join(b.dir, "fifo")) // waits for the makefile; if it fails, the test ends early and fails
		interrupt()
	}()
	begin := time.Now()
	if out, err := b.make(ctx, t, Limits{}, "all:\n\t@trap '' TERM INT HUP; echo >fifo; setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" & while :; do sleep 1; done\n"); err == nil {
		t.Errorf("it ended well: %s", out)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %v to end it", took)
	}
	b.unharmed(t)
}

// What the makefile left is opened only if it is a regular file of its own.
func TestRedTeamLeavesNoTraps(t *testing.T) {
	needSandbox(t)
	b := newBattlefield(t)
	if out, err := b.make(t.Context(), t, Limits{}, "all:\n\t@ln -s @HOME/secret link; mkfifo fifo; ln -s /dev/zero zero; mkdir folder; ln -s @HOME under\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	to := filepath.Join(t.TempDir(), "copy")
	for _, name := range []string{"link", "fifo", "zero", "folder", "under/secret"} {
		if text, err := ReadMade(b.dir, name); err == nil {
			t.Errorf("%s was read: %.100q", name, text)
		}
		if err := CopyMade(b.dir, name, to); err == nil {
			t.Errorf("%s was copied", name)
		}
		if f, err := OpenMade(b.dir, name, os.O_WRONLY|os.O_TRUNC); err == nil {
			f.Close()
			t.Errorf("%s was opened for writing", name)
		}
	}
	b.unharmed(t)
}
