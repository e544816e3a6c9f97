// SPDX-License-Identifier: BSD-3-Clause

// Package uinit is the part of vmtest that runs in the guest. u-root's init
// starts it as /bin/uinit. It runs the plan, each test in a process of its own,
// and writes records to the second UART. It reports facts and never says
// whether a test passed.
package uinit

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// Main resets the machine at its end and does not return.
func Main() {
	log.SetFlags(0)
	log.SetPrefix("uinit: ")
	if err := run(os.Args[1:]); err != nil {
		log.Print(err)
	}
	unix.Sync()
	// With reboot=t and QEMU's -no-reboot this ends QEMU.
	log.Fatal("reset: ", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

func run(args []string) error {
	flags := flag.NewFlagSet("uinit", flag.ContinueOnError)
	shell := flags.Bool("shell", false, "serve vmtest shell instead of running the plan")
	design := flags.String("design", "", "programs of the shell find this design in their environment")
	cloneFlags := flags.String("clone-flags", "0", "programs of the shell find these flags of clone3() in their environment")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *shell {
		return runShell(*design, *cloneFlags)
	}
	return runPlan()
}

// runPlan writes the whole stream of records. An error is a failure of the
// guest itself, and the stream ends with it.
func runPlan() error {
	out, err := openRecords()
	if err != nil {
		return err
	}
	hoardThreads()
	if err := checkMounts(); err != nil {
		return out.trouble(err)
	}
	soon := sysctlsSoon(sysctlDir)
	plan, err := loadPlan()
	if err != nil {
		return out.trouble(err)
	}
	key, err := takeKey()
	if err != nil {
		return out.trouble(err)
	}
	if err := protectMounts(); err != nil {
		return out.trouble(err)
	}
	config, err := runningConfig()
	if err != nil {
		return out.trouble(err)
	}
	hello, err := introduce(&plan, config)
	if err != nil {
		return out.trouble(err)
	}
	out.edge = hello.Lane == wire.Virtual
	// Orphans of tests become our children, so that we can end them with
	// their test.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return out.trouble(err)
	}
	if err := killAll(); err != nil { // a warm-up may still run
		return out.trouble(err)
	}
	if err := out.write(wire.Record{Type: wire.TypeHello, Hello: &hello}); err != nil {
		return err
	}
	leaks := newKmemleak(config)
	if err := leaks.clear(); err != nil {
		return out.trouble(err)
	}
	long, err := bootParam(wire.LongParam)
	if err != nil {
		return out.trouble(err)
	}
	counts, err := newGcov(config)
	if err != nil {
		return out.trouble(err)
	}
	trace, err := newRing()
	if err != nil {
		return out.trouble(err)
	}
	debug, err := loadDebug()
	if err != nil {
		return out.trouble(err)
	}
	settings, err := soon()
	if err != nil {
		return out.trouble(err)
	}
	tries, err := countParam(wire.TriesParam, 1)
	if err != nil {
		return out.trouble(err)
	}
	r := runner{out: out, key: key, tries: tries, counts: counts, ring: trace, sysctls: settings, env: []string{wire.LaneEnv + "=" + hello.Lane, wire.DesignEnv + "=" + plan.Design, wire.CloneFlagsEnv + "=" + strconv.FormatUint(plan.CloneFlags, 10), wire.LongEnv + "=" + long}}
	if debug == nil { // else the host sends frames
		r.overdue = out.overdue()
	}
	if hello.Lane == wire.Virtual {
		d, err := time.ParseDuration(long)
		if err != nil {
			return out.trouble(err)
		}
		r.patience = 2 * d // sleeping costs nothing in virtual time
	}
	tests := plan.Part(hello.From)
	for _, t := range tests {
		if debug != nil && t.TestID == debug.Test {
			return r.debug(t, *debug)
		}
		if err := r.run(t); err != nil {
			return out.trouble(fmt.Errorf("run %s: %w", t, err))
		}
	}
	if err := announce("end of the tests"); err != nil {
		return out.trouble(err)
	}
	if err := leaks.report(); err != nil {
		return out.trouble(err)
	}
	count := len(tests)
	return out.write(wire.Record{Type: wire.TypeDone, Count: &count, Key: key})
}

// WarmUp starts the plan's first test binary with a pattern that lists no test.
// QEMU without KVM takes 0.15 s to translate the start of a Go program. One CPU
// does that while u-root's init uses the other, so no test has to wait for it.
// If it fails, the test will fail too, and report it.
func WarmUp() {
	_, _ = os.StartProcess(wire.FirstTest, []string{wire.FirstTest, "-test.list=^$"}, &os.ProcAttr{})
}

func loadPlan() (wire.Plan, error) {
	var p wire.Plan
	there, err := loadJSON(wire.PlanPath, &p)
	if err == nil && !there {
		err = fmt.Errorf("there is no %s", wire.PlanPath)
	}
	if err != nil {
		return wire.Plan{}, err
	}
	if p.Schema != wire.Schema {
		return wire.Plan{}, fmt.Errorf("%s has schema %d, this uinit knows %d", wire.PlanPath, p.Schema, wire.Schema)
	}
	if len(p.Tests) == 0 {
		return wire.Plan{}, errors.New("the plan has no tests")
	}
	return p, nil
}

// loadJSON reads a file that the host has put into the archive. there is false if the file does not
// exist, and with an error.
func loadJSON(path string, into any) (there bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return true, nil
}

// takeKey reads the run's key and deletes its file, so that it is only in our
// memory.
func takeKey() (string, error) {
	key, err := os.ReadFile(wire.KeyPath)
	return string(key), errors.Join(err, os.Remove(wire.KeyPath))
}
