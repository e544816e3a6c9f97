// SPDX-License-Identifier: BSD-3-Clause

// Package vm boots a kernel and an initramfs in QEMU and leaves the evidence in
// a folder. It does not judge.
package vm

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hugelgupf/vmtest/qemu"
	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

const binary = "qemu-system-x86_64"

// Accelerators.
const (
	KVM = "kvm"
	TCG = "tcg"
)

// Guest is what to boot and how.
type Guest struct {
	Kernel    string        // path of vmlinux
	HZ        int           // the kernel's CONFIG_HZ; 0: unknown, so the kernel calibrates its APIC timer
	Checked   bool          // the kernel has debugging options and executes several times as many instructions
	Initramfs string        // path of the cpio archive
	Accel     string        // KVM or TCG
	Lane      string        // wire.Real or wire.Virtual
	QEMU      string        // what Version returned; recorded only
	Shard     int           // number of the shard, from 1; 0 if the lane is not split
	From      int           // index of the first test to run
	Long      time.Duration // guest time of a long wait in the virtual lane
	Change    Change        // what the user changes of it
	GDB       GDB           // for Change.GDB
	Vmcore    Vmcore        // what the guest leaves if it dies; the guest cannot tell
	Recording Recording     // of the virtual lane
	Traced    bool          // the kernel has ftrace, and prints its ring when the guest dies or hangs

	Key           string // the key in the archive; recorded for the judge
	BuildID       string // the kernel's; recorded for the judge
	ConfigSHA256  string // of the kernel's .config; recorded for the judge
	VmlinuxSHA256 string // of the file Kernel; recorded, so that "vmtest debug" finds it again
	Carried       string // digest of the files from earlier guests in the archive; recorded for the judge
}

// icountShift makes an instruction take 2^icountShift ns of virtual time: 16
// ns, about what TCG takes for one on a present-day PC. A plan then takes as
// long in either lane. With a smaller shift, code that polls the clock takes
// twice as long for each step. With 5 and more, a system call takes 50 us and
// more, and bounds become loose. A bare boot takes 1 s of CPU time with any
// shift from 2 to 6.
//
// checkedShift is for a kernel with debugging options. With it, the kernel's
// work takes about as much virtual time as that of other kernels with
// icountShift, so the same bounds hold. With a shift of 4 it would take twelve
// times as much, half of it in timer ticks.
const (
	icountShift  = 4
	checkedShift = 1
)

// Limits end a boot that does not end by itself. They are in host time. The
// guest's own limits are in guest time, so a guest whose clock stands still
// never reaches them.
type Limits struct {
	Boot time.Duration // from QEMU's start to hello
	Test time.Duration // added to a test's own timeout; after a quarter of it uinit is asked to end the test
	Rest time.Duration // while no test runs; kmemleak may scan all memory then
	Run  time.Duration // from QEMU's start to its end
}

// DefaultLimits leave room for a slow host. A boot takes about two seconds
// under TCG, and half a minute with debugging options. A test that exceeds its
// own timeout is ended by the guest.
var DefaultLimits = Limits{Boot: 2 * time.Minute, Test: 20 * time.Second, Rest: 2 * time.Minute, Run: 30 * time.Minute}

const (
	cpus     = 2
	memoryMB = 512
)

// MissingError says that QEMU cannot be used here.
type MissingError struct{ Err error }

func (e *MissingError) Error() string { return e.Err.Error() }
func (e *MissingError) Unwrap() error { return e.Err }

// Check returns an error if QEMU is missing, or if an environment variable
// would change QEMU's command line.
func Check() error {
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "VMTEST_") {
			name, _, _ := strings.Cut(kv, "=")
			return &MissingError{fmt.Errorf("%s is set and would change QEMU's command line; type \"unset %s\"", name, name)}
		}
	}
	for _, name := range []string{binary, "setpriv"} {
		if _, err := exec.LookPath(name); err != nil {
			return &MissingError{fmt.Errorf("%s is not on PATH; type \"make deps\"", name)}
		}
	}
	return nil
}

// oldest is the oldest version of QEMU, major and minor, that has all options
// that we use. Debian 12 has it. Version 6.2 of Ubuntu 22.04 lacks i8042=off.
var oldest = [2]int{7, 2}

var versionRE = regexp.MustCompile(`version (\d+)\.(\d+)`)

// Version returns QEMU's version line. If QEMU does not run or is too old, the
// error is a MissingError.
func Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "--version").CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil {
		return "", &MissingError{fmt.Errorf("%s does not run: %w: %s; install it again: type \"sudo apt-get install --reinstall qemu-system-x86\"", binary, err, line)}
	}
	m := versionRE.FindStringSubmatch(line)
	if m == nil {
		return "", &MissingError{fmt.Errorf("%s --version says %q, which names no version; put QEMU %d.%d or later on PATH", binary, line, oldest[0], oldest[1])}
	}
	var have [2]int
	for i := range have {
		if have[i], err = strconv.Atoi(m[i+1]); err != nil {
			return "", &MissingError{fmt.Errorf("%s --version says %q: %w", binary, line, err)}
		}
	}
	if slices.Compare(have[:], oldest[:]) < 0 {
		return "", &MissingError{fmt.Errorf("%s is too old: QEMU %d.%d, and vmtest needs %d.%d or later; put a newer one on PATH", binary, have[0], have[1], oldest[0], oldest[1])}
	}
	return line, nil
}

// Observer follows a boot while it runs. Its functions are called one after another.
type Observer struct {
	Record  func(wire.Record) // is called with every record
	Console func(string)      // is called with every line of the console, without its end; nil: nobody looks
}

// Boot boots g, shows watch what happens, and returns when QEMU has ended.
// The folder dir, which must exist, then has all the evidence. An error means
// that the evidence is incomplete, not that the guest failed.
func Boot(ctx context.Context, g Guest, plan wire.Plan, lim Limits, dir string, watch Observer) (wire.Exit, error) {
	if err := g.fits(); err != nil {
		return wire.Exit{}, err
	}
	bootID := g.bootID(plan)
	opts, err := g.options(bootID, planLogLevel)
	if err != nil {
		return wire.Exit{}, err
	}
	p, apic, err := g.ports(opts)
	defer p.close()
	if err != nil {
		return wire.Exit{}, err
	}
	log, err := newQEMULog(filepath.Join(dir, wire.QEMUFile))
	if err != nil {
		return wire.Exit{}, err
	}
	opts.SerialOutput = append(opts.SerialOutput, log) // Wait closes it
	cmdline, err := opts.Cmdline()
	if err != nil {
		return wire.Exit{}, err
	}
	err = errors.Join(
		wire.WriteJSON(filepath.Join(dir, wire.PlanFile), plan),
		wire.WriteJSON(filepath.Join(dir, wire.BootFile), wire.Boot{
			Lane: g.Lane, Shard: g.Shard, Accel: g.Accel, BootID: bootID, Key: g.Key, From: g.From, BuildID: g.BuildID, ConfigSHA256: g.ConfigSHA256,
			VmlinuxSHA256: g.VmlinuxSHA256, Carried: g.Carried, QEMU: g.QEMU, Cmdline: cmdline,
		}))
	if err != nil {
		return wire.Exit{}, err
	}
	var waiting func()
	if p.gdb != "" {
		commands, err := g.writeGDB(dir, p.gdb, apic)
		if err != nil {
			return wire.Exit{}, err
		}
		apic, waiting = nil, func() { g.openGDB(p.monitor, commands) } // gdb sets the preset
	}
	s := supervisor{waiting: waiting, plan: plan, limits: lim, observe: watch, stalled: log.stalled, ports: p, preset: apic, vmcore: g.Vmcore, memoryMB: g.memoryMB(), key: g.Key, traced: g.Traced, recorded: g.Recording.of()}
	exit, err := s.run(ctx, opts, dir)
	if err != nil {
		return wire.Exit{}, err
	}
	if exit.Reason == wire.EndedItself && exit.Signal == "" {
		if exit.Signal, err = caughtSignal(log.Name()); err != nil {
			return wire.Exit{}, err
		}
	}
	return exit, wire.WriteJSON(filepath.Join(dir, wire.ExitFile), exit)
}

// planLogLevel is the kernel parameter of a guest that runs a plan. u-root's init lowers the
// level, and the judge needs every message.
const planLogLevel = "ignore_loglevel"

// bootID returns a value for wire.BootParam.
func (g Guest) bootID(plan wire.Plan) string {
	if g.Lane == wire.Virtual {
		// The kernel seeds its random numbers with the command line. In
		// the virtual lane, where all else repeats itself, they must
		// repeat, too. The key still tells runs apart.
		return plan.ID
	}
	return rand.Text()
}

// ports makes the ports of g and adds them to QEMU. apic is what a debugger has to set while the
// guest boots, or nil: ours, or gdb if the user has it. On an error, the ports that are open already are returned, too.
func (g Guest) ports(opts *qemu.Options) (p ports, apic *preset, err error) {
	if p, err = newPorts(opts); err != nil {
		return p, nil, err
	}
	if g.Lane == wire.Virtual && g.HZ > 0 && !g.Recording.of() { // a log has nothing of a debugger
		if apic, err = apicPeriod(g.Kernel, g.HZ); err != nil {
			return p, nil, err
		}
	}
	switch { // QEMU serves one debugger
	case g.Change.GDB != "":
		p.gdb = g.addGDB(opts, p.dir)
	case apic != nil:
		p.debugger, err = newDebugger(opts)
	}
	return p, apic, err
}

// options returns QEMU's command line without the ports. The machine is a pc
// without devices that the kernel has no driver for.
func (g Guest) options(bootID, logLevel string) (*qemu.Options, error) {
	virtual := g.Lane == wire.Virtual
	kernelArgs := []string{
		"console=ttyS0", logLevel,
		"panic=-1", "reboot=t", // with Vmcore.action both end QEMU, or stop the guest
		"unknown_nmi_panic", // the last resort of dump
		wire.BootParam + "=" + bootID,
		fmt.Sprintf("%s=%d", wire.FromParam, g.From),
		wire.LaneParam + "=" + g.Lane,
		wire.LongParam + "=" + g.Long.String(),
	}
	if g.Shard > 0 {
		kernelArgs = append(kernelArgs, fmt.Sprintf("%s=%d", wire.ShardParam, g.Shard))
	}
	cpu := "host"
	if g.Accel == TCG {
		kernelArgs = append(kernelArgs, fmt.Sprintf("%s=%d", wire.TriesParam, wire.Tries))
		// TCG takes an instruction for each step of "rep stosb" and "rep
		// movsb". With ERMS the kernel clears and copies pages byte by
		// byte, which took an eighth of all instructions of the tests.
		cpu = "max,erms=off"
		khz := tscKHz()
		if virtual {
			khz = 1e6 // with -icount the TSC counts virtual nanoseconds
		}
		if g.HZ > 0 {
			kernelArgs = append(kernelArgs, fmt.Sprintf("lpj=%d", khz*1000/int64(g.HZ))) // spares each CPU a delay loop
		}
		kernelArgs = append(kernelArgs, "tsc=reliable",
			fmt.Sprintf("tsc_early_khz=%d", khz),
			// The kernel waits 40 ms for ten ticks of the PIT. If a
			// busy host delays them, it panics ("IO-APIC + timer
			// doesn't work!").
			"no_timer_check",
			// The kernel passes this on to init. Otherwise a
			// package of u-root makes a table with CRC32
			// instructions, which takes 30 ms under TCG.
			"GODEBUG=cpu.sse42=off")
	}
	if g.Change.GDB != "" || g.Recording.of() { // gdb may come when the guest is replayed, which must be the same guest
		kernelArgs = append(kernelArgs, "nokaslr") // else the addresses are not those of vmlinux
	}
	if g.Traced {
		kernelArgs = append(kernelArgs, "ftrace_dump_on_oops")
	}
	kernelArgs = append(kernelArgs, g.Change.Append...)
	n, accel := g.cpus(), g.Accel
	clock := []string{"-rtc", "clock=vm"} // hides steps of the host's clock
	switch {
	case virtual:
		// QEMU can count instructions only with a single thread.
		accel = "tcg,thread=single"
		shift := icountShift
		if g.Checked {
			shift = checkedShift
		}
		clock = []string{"-icount", fmt.Sprintf("shift=%d,sleep=off%s", shift, g.Recording.icount()), "-rtc", "clock=vm,base=2026-01-01T00:00:00",
			"-seed", "1"} // of RDRAND; without it each run differs
	case accel == TCG && g.Traced:
		// To trace functions, the kernel puts a breakpoint on each for
		// a moment. With a thread for each CPU, a CPU may meet a
		// breakpoint that is gone, and the kernel dies ("int3").
		accel = "tcg,thread=single"
	case accel == TCG:
		accel = "tcg,thread=multi"
	}
	return qemu.OptionsFor(qemu.ArchAMD64,
		// Without setpriv QEMU would outlive this process.
		qemu.WithQEMUCommand("setpriv --pdeathsig KILL "+binary),
		qemu.WithKernel(g.Kernel),
		qemu.WithInitramfs(g.Initramfs),
		qemu.WithAppendKernel(kernelArgs...),
		func(_ *qemu.IDAllocator, opts *qemu.Options) error {
			// Package qemu passes -nographic by default. With
			// it the BIOS also writes to the console, before the
			// kernel and into its first line.
			opts.QEMUArgs = []string{"-display", "none"}
			return nil
		},
		qemu.ArbitraryArgs(
			"-accel", accel,
			"-machine", "pc,i8042=off,usb=off,vmport=off",
			"-cpu", cpu,
			// QEMU's MP table lists one CPU for each socket, and
			// without ACPI the kernel has no other source.
			"-smp", fmt.Sprintf("%d,sockets=%d", n, n),
			"-m", strconv.Itoa(g.memoryMB()),
			"-nodefaults", "-no-user-config", "-monitor", "none",
			// A guest that breaks out of QEMU cannot start a
			// program, make a namespace or gain a privilege.
			"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		),
		qemu.ArbitraryArgs(g.Vmcore.action()...),
		qemu.ArbitraryArgs(g.Recording.machine()...),
		qemu.ArbitraryArgs(clock...),
		qemu.ArbitraryArgs(g.Change.QEMUArgs...))
}

// memoryMB returns how much memory the guest has, in MB.
func (g Guest) memoryMB() int { return cmp.Or(g.Change.MemoryMB, memoryMB) }

// cpus returns how many CPUs the guest has.
func (g Guest) cpus() int {
	if g.Lane == wire.Virtual {
		return cmp.Or(g.Change.CPUs, 1) // QEMU runs all of them in one thread
	}
	return cmp.Or(g.Change.CPUs, cpus)
}

// ended returns how QEMU ended, from the error of Wait. The error unkept means
// that not all of QEMU's output was stored.
func ended(err error) (status int, signal string, unkept error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, "", err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -1, unix.SignalName(ws.Signal()), nil
	}
	return exit.ExitCode(), "", nil
}

var terminatingRE = regexp.MustCompile(`(?m): terminating on signal (\d+)`)

// caughtSignal returns the signal that QEMU says it ended by. QEMU catches
// SIGTERM, SIGINT and SIGHUP and exits with status 0, as if the guest had
// powered off.
func caughtSignal(log string) (string, error) {
	text, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	m := terminatingRE.FindSubmatch(text)
	if m == nil {
		return "", nil
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return "", err
	}
	return unix.SignalName(unix.Signal(n)), nil
}
