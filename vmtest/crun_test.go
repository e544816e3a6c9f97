// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/wire"
)

// crun is the source of crun that Debian 13 has. tests/clients/crun has a patch for it.
const (
	crun       = "crun-1.21"
	crunInPool = "pool/main/c/crun/crun_1.21.orig.tar.gz"
	crunSHA256 = "4bfb700e764a4804a4de3ecf07753f4c391005356d60356df65d80ae0914c486"
)

// crunOptions leave out what the container of the test does not need, so that crun needs no library but
// libcap.
var crunOptions = []string{"--disable-systemd", "--disable-seccomp", "--disable-criu", "--disable-bpf", "--disable-dl",
	"--enable-embedded-yajl", "--disable-dependency-tracking", "CFLAGS=-O2"}

// in runs a command in a folder.
func in(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out[max(0, len(out)-4000):])
	}
	return out
}

// fetchCrun downloads the source from the mirror that this machine's apt uses, and unpacks it.
func fetchCrun(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mirror, _, _ := strings.Cut(string(in(t, dir, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian")), "\n")
	url := strings.TrimSuffix(mirror, "/") + "/" + crunInPool
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	file := filepath.Join(dir, "crun.tar.gz")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := cache.HashFile(file); err != nil || got != crunSHA256 {
		t.Fatalf("%s has SHA-256 %s, want %s: %v", url, got, crunSHA256, err)
	}
	in(t, dir, "tar", "-xf", file)
	return filepath.Join(dir, crun)
}

// buildCrun builds crun with the patch for each design, and without it ("plain"), as static programs in
// a folder with a bundle for them.
func buildCrun(t *testing.T) (share string) {
	t.Helper()
	clients, err := filepath.Abs(filepath.Join("..", "tests", "clients", "crun"))
	if err != nil {
		t.Fatal(err)
	}
	source, share := fetchCrun(t), t.TempDir()
	in(t, source, "./configure", crunOptions...)
	build := func(name string) {
		t.Helper()
		in(t, source, "make", fmt.Sprintf("-j%d", runtime.GOMAXPROCS(0)), "LDFLAGS=-all-static")
		if err := os.Rename(filepath.Join(source, "crun"), filepath.Join(share, name)); err != nil {
			t.Fatal(err)
		}
	}
	build("plain")
	in(t, source, "patch", "-p1", "-F0", "-i", filepath.Join(clients, "clone3.patch"))
	for _, design := range wire.Designs {
		if err := cache.CopyFile(filepath.Join(clients, design+".h"), filepath.Join(source, "src/libcrun/time_offsets.h")); err != nil {
			t.Fatal(err)
		}
		in(t, source, "touch", "src/libcrun/linux.c") // make knows nothing of the header
		build(design)
	}
	for _, dir := range []string{"rootfs", "rootfs/dev", "rootfs/proc"} {
		if err := os.Mkdir(filepath.Join(share, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in(t, clients, "gcc", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(share, "rootfs", "probe"), "probe.c")
	if err := cache.CopyFile(filepath.Join(clients, "config.json"), filepath.Join(share, "config.json")); err != nil {
		t.Fatal(err)
	}
	return share
}

// container are the system calls that made a container, as strace saw them.
type container struct {
	Processes int // made by clone(), clone3(), fork() and vfork()
	Writes    int // to timens_offsets
	Unshares  int // of the time namespace
	Refused   int // calls of clone3() that said E2BIG or EINVAL
}

var (
	madeRE    = regexp.MustCompile(`(?m)^\d+ +(?:(?:clone3?|v?fork)\(.*|<\.\.\. (?:clone3?|v?fork) resumed>.*) = \d+$`)
	writesRE  = regexp.MustCompile(`(?m)^\d+ +write\(\d+<[^>]*/timens_offsets>`)
	unshareRE = regexp.MustCompile(`(?m)^\d+ +unshare\([^)]*(?:CLONE_NEWTIME|0x80)`)
	refusedRE = regexp.MustCompile(`(?m)^\d+ +clone3\(.* = -1 (?:E2BIG|EINVAL) `)
)

func containerOf(log string) container {
	count := func(re *regexp.Regexp) int { return len(re.FindAllString(log, -1)) }
	return container{Processes: count(madeRE), Writes: count(writesRE), Unshares: count(unshareRE), Refused: count(refusedRE)}
}

// crun with the patch gives a container the timeOffsets of its config.json by one call of clone3(), on the
// kernel of its design: there is one process less than by crun as it is, and neither an unshare() nor a
// write. On an unpatched kernel the call is refused, and crun goes on as before. The container is
// always the same.
func TestClientsCrun(t *testing.T) {
	if !*bootClients {
		t.Skip("it builds crun and boots kernels; type \"make client-test\"")
	}
	share := buildCrun(t)
	const old = 2 // processes: one that makes the namespaces, and the first one in them
	for _, series := range append([]string{"control"}, wire.Designs...) {
		programs := map[string]container{"plain": {Processes: old, Writes: 2, Unshares: 1}}
		for _, design := range wire.Designs {
			switch series {
			case "control":
				programs[design] = container{Processes: old, Writes: 2, Unshares: 1, Refused: 1}
			case design:
				programs[design] = container{Processes: 1}
			}
		}
		t.Run(series, func(t *testing.T) {
			for name, want := range programs {
				t.Run(name, func(t *testing.T) {
					log := runContainer(t, share, series, name)
					if got := containerOf(log); got != want {
						t.Errorf("%s made the container by %+v, want %+v:\n%s", name, got, want, log)
					}
				})
			}
			if series == "control" {
				return
			}
			t.Run("cost", func(t *testing.T) {
				took := costs(t, share, series, "plain", series)
				t.Logf("a container takes %d instructions, and %d with clone3(): %.3f", took[0]/16, took[1]/16, float64(took[1])/float64(took[0]))
				if took[1] >= took[0] {
					t.Errorf("clone3() with offsets makes a container no cheaper")
				}
			})
		})
	}
}

// startContainer is a command of the guest's shell that runs the container by a program. The root of the
// guest is its initramfs, which pivot_root(2) cannot leave.
func startContainer(program string) string {
	return "/share/" + program + " --root /tmp/state --cgroup-manager disabled run --no-pivot x"
}

// crunGuest runs a script in the bundle, on the kernel of a series, and returns what it prints. A QEMU
// that tests play would run the script on this machine, where it must mount nothing.
func crunGuest(t *testing.T, share, series, script string, env []string, flags ...string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"shell", "-base", *baseOfTests, "-series", series, "-share", share}, flags,
		[]string{"--", "sh", "-c", "grep -q vmtest.boot=shell /proc/cmdline && mount -t cgroup2 none /sys/fs/cgroup && cd /share && { " + script + "; }"})
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "vmtest"), args...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, env, &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &said, &out)
	}
	return out.String()
}

// runContainer runs the container by a program on a kernel, looks at what it says of its clocks, and
// returns what strace says of the program.
func runContainer(t *testing.T, share, series, program string) (log string) {
	t.Helper()
	out := crunGuest(t, share, series, "strace -f -y -o /tmp/log -e trace=clone,clone3,fork,vfork,unshare,write "+startContainer(program)+
		"; echo exit $?; echo; cat /tmp/log", realEnv(t), "-with", "strace")
	seen, log, _ := strings.Cut(out, "\n\n")
	m := insideRE.FindStringSubmatch(seen)
	if m == nil {
		t.Fatalf("the container says %q:\n%s", seen, log)
	}
	for i, begin := range []int{1000000, 2000000} {
		if got, err := strconv.Atoi(m[1+i]); err != nil || got < begin || got > begin+60 {
			t.Errorf("the clock of the container is %s, want %d or a little more", m[1+i], begin)
		}
	}
	return log
}

// singleThreaded is a QEMU for vmtest shell that counts instructions, as in the lane virtual: QEMU cannot
// do that with a thread for each CPU.
const singleThreaded = `#!/bin/sh
n=$#
while [ $n -gt 0 ]; do
	word=$1
	shift
	[ "$word" != tcg,thread=multi ] || word=tcg,thread=single
	set -- "$@" "$word"
	n=$((n - 1))
done
PATH='%s' exec qemu-system-x86_64 "$@"
`

// costs returns the guest time that the cheapest of some starts of the container takes by each of these
// programs, counted as the lane virtual does: 16 ns for an instruction.
func costs(t *testing.T, share, series string, programs ...string) []int {
	t.Helper()
	const rounds = 20
	bin, env := t.TempDir(), realEnv(t)
	_, path, _ := strings.Cut(env[len(env)-1], "=") // without the QEMU that this package's tests play
	if err := os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), fmt.Appendf(nil, singleThreaded, path), 0o755); err != nil {
		t.Fatal(err)
	}
	script := ""
	for range rounds {
		for _, program := range programs {
			script += "date +%s%N; " + startContainer(program) + " >/tmp/said; "
		}
	}
	out := crunGuest(t, share, series, script+"date +%s%N", append(env, "PATH="+bin+":"+path), "-with", "date",
		"-accel", "tcg", "-smp", "1", "-append", "tsc_early_khz=1000000", "-qemu-arg", "-icount", "-qemu-arg", "shift=4,sleep=off")
	var times []int
	for word := range strings.FieldsSeq(out) {
		at, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		times = append(times, at)
	}
	if want := rounds*len(programs) + 1; len(times) != want {
		t.Fatalf("%d times, want %d:\n%s", len(times), want, out)
	}
	least := make([]int, len(programs))
	for i, at := range times[1:] {
		if took, n := at-times[i], i%len(programs); least[n] == 0 || took < least[n] {
			least[n] = took
		}
	}
	return least
}

var insideRE = regexp.MustCompile(`^monotonic +1000000 +123456789\nboottime +2000000 +5\nclock (\d+)\nclock (\d+)\nexit 0$`)
