// SPDX-License-Identifier: BSD-3-Clause

// Package bench compares the time that vmtest takes with the floor: the time of the same
// work done by hand. Each benchmark runs both in turns, so that a busy machine slows
// both, and prints the median of the ratios. Type "make bench" to run it.
package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/source"
)

// The kernel whose times are measured. BenchmarkCalls and BenchmarkFirstRed take the variants of
// the series and the mutants for it.
var baseName = flag.String("base", source.DefaultRelease, "`NAME` of the kernel that is the base, such as 7.3")

// The number of rounds of each benchmark. A cold build takes minutes, and a boot takes
// seconds.
const (
	warmRounds    = 15
	coldRounds    = 3
	changedRounds = 5
	mailboxRounds = 3
)

// BenchmarkWarmRun compares a run of one test that does nothing with a bare
// QEMU that boots the same kernel into an init that resets at once.
func BenchmarkWarmRun(b *testing.B) {
	w := newWorld(b)
	dir := filepath.Join(w.tmp, "warm")
	run := func() *exec.Cmd {
		return w.vmtest(w.userCache, "run", "-series", "control", "-tests", "tests/canary", "-run", "TestPass$", "-lane", "real", "-accel", "tcg", "-results", dir)
	}
	w.do(run()) // builds what the cache lacks
	boot := w.bareBoot(filepath.Join(dir, "latest", "real"))
	w.compare(warmRounds, func() time.Duration { return w.do(run()) }, func() time.Duration { return w.do(boot()) })
	b.ReportMetric(w.peakMB(run()), "MB/peak")
}

// BenchmarkLanes compares a guest of each lane with a bare QEMU that boots the same kernel
// as the real lane does. It measures the time until the guest says hello, and the time
// until the guest ends. The guest runs one test that does nothing. No two guests run at
// once.
func BenchmarkLanes(b *testing.B) {
	for _, lane := range []string{wire.Real, wire.Virtual} {
		b.Run(lane, func(b *testing.B) {
			w := newWorld(b)
			w.bootLane(wire.Real)
			bare := w.bareBoot(filepath.Join(w.tmp, wire.Real, "latest", wire.Real))
			var floors, hellos, ends []float64
			for range warmRounds {
				floor, exit := w.do(bare()).Seconds(), w.bootLane(lane)
				floors, hellos, ends = append(floors, floor), append(hellos, exit.BootS/floor), append(ends, exit.DurationS/floor)
			}
			b.ReportMetric(median(floors), "s/floor")
			b.ReportMetric(median(hellos), "boot/floor")
			b.ReportMetric(median(ends), "total/floor")
			b.ReportMetric(0, "ns/op") // hides the time of all rounds together
		})
	}
}

// bootLane runs one test that does nothing in a lane, and returns how the boot ended.
func (w *world) bootLane(lane string) wire.Exit {
	dir := filepath.Join(w.tmp, lane)
	w.do(w.vmtest(w.userCache, "run", "-series", "control", "-tests", "tests/canary", "-run", "TestPass$", "-lane", lane, "-accel", "tcg", "-results", dir))
	text, err := os.ReadFile(filepath.Join(dir, "latest", lane, wire.ExitFile))
	if err != nil {
		w.b.Fatal(err)
	}
	var exit wire.Exit
	if err := json.Unmarshal(text, &exit); err != nil {
		w.b.Fatal(err)
	}
	return exit
}

// BenchmarkColdBuild compares our build with an empty cache, which also lays out and
// configures the tree, with make alone on the same .config.
func BenchmarkColdBuild(b *testing.B) {
	w := newWorld(b)
	n := 0
	w.compare(coldRounds, func() time.Duration {
		n++
		return w.do(w.vmtest(w.newCache(fmt.Sprintf("cold%d", n)), "kernel", "-series", "control"))
	}, func() time.Duration {
		out := filepath.Join(w.tmp, fmt.Sprintf("make%d", n))
		w.copyConfig(out)
		return w.do(w.make(w.base, out))
	})
}

// BenchmarkChangedPatch compares a run after one .c file of a patch has changed with the
// sum of make after the same change and one bare boot. It uses the user's cache, where
// the series has been built, and adds a few kernels to it.
func BenchmarkChangedPatch(b *testing.B) {
	w := newWorld(b)
	dir := filepath.Join(w.tmp, "changed")
	run := func(args ...string) *exec.Cmd {
		return w.vmtest(w.userCache, "run", append([]string{"-series", "control", "-tests", "tests/canary", "-run", "TestPass$", "-lane", "real", "-accel", "tcg", "-results", dir}, args...)...)
	}
	const file = "kernel/time/namespace.c"
	original, err := os.ReadFile(filepath.Join(w.base, file))
	if err != nil {
		b.Fatal(err)
	}
	src, out := filepath.Join(w.tmp, "src"), filepath.Join(w.tmp, "out")
	w.do(exec.Command("cp", "-al", w.base, src))
	w.copyConfig(out)
	w.do(w.make(src, out))
	w.do(run())
	n := int(time.Now().Unix()) // the cache has no kernel with this change
	var change []byte
	w.compare(changedRounds, func() time.Duration {
		n++
		change = fmt.Appendf(slices.Clone(original), "\nint timens_bench_%d(void);\nint timens_bench_%[1]d(void)\n{\n\treturn %[1]d;\n}\n", n)
		return w.do(run("-patch", w.patch(file, change)))
	}, func() time.Duration {
		path := filepath.Join(src, file)
		if err := os.Remove(path); err != nil { // it is shared with the base
			b.Fatal(err)
		}
		if err := os.WriteFile(path, change, 0o644); err != nil {
			b.Fatal(err)
		}
		boot := w.bareBoot(filepath.Join(dir, "latest", "real"))
		return w.do(w.make(src, out)) + w.do(boot())
	})
}

// world is what the benchmarks share: our binary, the unpatched base and its
// .config, and a temporary folder.
type world struct {
	b         *testing.B
	root      string
	tmp       string
	userCache string // $XDG_CACHE_HOME of the user, with the base in it
	base      string
	config    string
}

func newWorld(b *testing.B) *world {
	b.Helper()
	if strings.Contains(*baseName, ",") {
		b.Fatalf("-base %s: the benchmarks measure one base at a time", *baseName)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		b.Fatal(err)
	}
	w := &world{b: b, root: root, userCache: userCache}
	// On the file system of the cache, so that files can be hard-linked as in a run.
	w.tmp, err = os.MkdirTemp(userCache, "timens-vmtest-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(w.tmp); err != nil {
			b.Error(err)
		}
	})
	var stdout bytes.Buffer
	cmd := w.vmtest(userCache, "kernel", "-series", "control")
	cmd.Stdout = &stdout
	w.do(cmd)
	w.config = filepath.Join(filepath.Dir(strings.TrimSpace(stdout.String())), "config")
	w.base = w.unpacked()
	return w
}

// unpacked returns the folder of the base from which the kernel beside w.config was built. The
// cache may have older packages of the same version; the one that was unpacked last counts.
func (w *world) unpacked() string {
	w.b.Helper()
	image, err := kernel.Open(filepath.Dir(w.config))
	if err != nil {
		w.b.Fatal(err)
	}
	makefiles, err := filepath.Glob(filepath.Join(w.userCache, "timens-vmtest", "base", "*", "Makefile"))
	if err != nil {
		w.b.Fatal(err)
	}
	var base string
	var newest time.Time
	for _, makefile := range makefiles {
		dir := filepath.Dir(makefile)
		version, err := exec.Command("make", "-s", "-C", dir, "kernelversion").Output()
		if err != nil {
			w.b.Fatalf("make kernelversion in %s: %v", dir, err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			w.b.Fatal(err)
		}
		if strings.TrimSpace(string(version)) == image.Base && info.ModTime().After(newest) {
			base, newest = dir, info.ModTime()
		}
	}
	if base == "" {
		w.b.Fatalf("the cache has no unpacked base of version %q", image.Base)
	}
	return base
}

// vmtest returns a command that runs a verb of bin/vmtest on the base, with this cache folder.
func (w *world) vmtest(cache, verb string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(w.root, "bin", "vmtest"), append([]string{verb, "-base", *baseName}, args...)...)
	cmd.Dir = w.root
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	return cmd
}

// newCache returns a cache folder that has only the base, so that the time to unpack the
// base is not measured.
func (w *world) newCache(name string) string {
	dir := filepath.Join(w.tmp, name, "timens-vmtest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.b.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(w.base), filepath.Join(dir, "base")); err != nil {
		w.b.Fatal(err)
	}
	return filepath.Dir(dir)
}

// copyConfig makes the output folder out with the .config of the base's kernel.
func (w *world) copyConfig(out string) {
	text, err := os.ReadFile(w.config)
	if err == nil {
		err = os.MkdirAll(out, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(out, ".config"), text, 0o644)
	}
	if err != nil {
		w.b.Fatal(err)
	}
}

// make returns a command that builds vmlinux in the output folder out.
func (w *world) make(src, out string) *exec.Cmd {
	return exec.Command("make", "-C", src, "O="+out, "-j"+strconv.Itoa(runtime.NumCPU()), "vmlinux")
}

// patch writes a patch that changes the contents of a file of the base to text, and
// returns its path.
func (w *world) patch(file string, text []byte) string {
	changed := filepath.Join(w.tmp, "changed.c")
	if err := os.WriteFile(changed, text, 0o644); err != nil {
		w.b.Fatal(err)
	}
	cmd := exec.Command("diff", "-u", "--label", "a/"+file, "--label", "b/"+file, filepath.Join(w.base, file), changed)
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 { // diff exits with 1 if the files differ
		w.b.Fatalf("diff: %v", err)
	}
	// The patch is in the checkout: a patch from elsewhere counts as somebody else's
	// work, and is built in another work folder.
	path := filepath.Join(w.root, "bin", "bench.patch")
	if err := os.WriteFile(path, out, 0o644); err != nil {
		w.b.Fatal(err)
	}
	return path
}

// bareBoot returns a function that makes commands. Each boots QEMU with the command line
// of a finished run, whose evidence is in the folder lane. The differences are: the init
// resets the machine at once, the UARTs write to files, and there is no monitor.
func (w *world) bareBoot(lane string) func() *exec.Cmd {
	text, err := os.ReadFile(filepath.Join(lane, "boot.json"))
	if err != nil {
		w.b.Fatal(err)
	}
	var boot struct{ Cmdline []string }
	if err := json.Unmarshal(text, &boot); err != nil {
		w.b.Fatal(err)
	}
	var args []string
	for i := 0; i < len(boot.Cmdline); i++ {
		switch boot.Cmdline[i] {
		case "-chardev", "-mon":
			i++
		case "-serial":
			i++
			args = append(args, "-serial", "file:"+filepath.Join(w.tmp, "uart"))
		case "-initrd":
			i++
			args = append(args, "-initrd", w.bareInit())
		default:
			args = append(args, boot.Cmdline[i])
		}
	}
	return func() *exec.Cmd { return exec.Command(args[0], args[1:]...) }
}

// bareInit builds an archive with only an init, which resets the machine, and returns its
// path. The init is a static Go program, as every program in our guest.
func (w *world) bareInit() string {
	dir := filepath.Join(w.tmp, "init")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.b.Fatal(err)
	}
	const source = "package main\n\nimport \"syscall\"\n\nfunc main() { _ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o644); err != nil {
		w.b.Fatal(err)
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", "init", "main.go")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	w.do(build)
	pack := exec.Command("sh", "-c", "echo init | cpio -o -H newc --quiet > ../init.cpio")
	pack.Dir = dir
	w.do(pack)
	return filepath.Join(w.tmp, "init.cpio")
}

// do runs a command and returns how long it took. It fails the benchmark if the command
// fails.
func (w *world) do(cmd *exec.Cmd) time.Duration {
	w.b.Helper()
	var out bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		w.b.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.Bytes())
	}
	return time.Since(began)
}

// peakMB runs a command and returns the most memory that the command used, in MB and
// without its children. It reads /proc every 20 ms, and misses what happens after the last
// reading.
func (w *world) peakMB(cmd *exec.Cmd) float64 {
	if err := cmd.Start(); err != nil {
		w.b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	peak := 0.0
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				w.b.Fatal(err)
			}
			return peak
		case <-tick.C:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if err != nil {
				continue // it has just ended
			}
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kB float64
				if _, err := fmt.Sscan(rest, &kB); err == nil {
					peak = max(peak, kB/1000)
				}
			}
		}
	}
}

// compare runs ours and floor in turns. It reports the median of each in seconds, and the
// median of the ratios.
func (w *world) compare(rounds int, ours, floor func() time.Duration) {
	var o, f, ratio []float64
	for range rounds {
		a, b := ours().Seconds(), floor().Seconds()
		o, f, ratio = append(o, a), append(f, b), append(ratio, a/b)
	}
	w.b.ReportMetric(median(o), "s/ours")
	w.b.ReportMetric(median(f), "s/floor")
	w.b.ReportMetric(median(ratio), "x/floor")
	w.b.ReportMetric(0, "ns/op") // hides the time of all rounds together
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
