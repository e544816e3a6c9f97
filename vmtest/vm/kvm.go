// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"timens-vmtest/internal/wire"
)

// Auto lets ChooseAccel choose.
const Auto = "auto"

// proofLimits limit a boot that must prove KVM. Where KVM works, hello comes
// within a second.
var proofLimits = Limits{Boot: 15 * time.Second, Test: 15 * time.Second, Rest: 15 * time.Second, Run: 30 * time.Second}

// kvmDevice is a variable so that tests do not depend on the host's device.
var kvmDevice = "/dev/kvm"

// Choice is a chosen accelerator.
type Choice struct {
	Accel string
	Why   string // for the user, if KVM cannot be used

	memory string // where Learn stores that KVM does not work
}

// ChooseAccel decides between KVM and TCG. A /dev/kvm that opens is no proof:
// nested and para-virtual ones may create a VM and never boot it. So
// ChooseAccel uses KVM only if a guest has said hello under it. It remembers
// the answer in the folder memory, for this boot of the host and this QEMU. The
// evidence of the attempt goes to proofDir.
func ChooseAccel(ctx context.Context, want string, g Guest, plan wire.Plan, memory, proofDir string, step func(string, ...any)) (Choice, error) {
	if want == TCG {
		return Choice{Accel: TCG}, nil
	}
	dev, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	if err == nil {
		err = dev.Close()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return noKVM(want, err.Error()+"; type \"sudo usermod -aG kvm $USER\" and log in again to have it")
	case errors.Is(err, fs.ErrNotExist):
		return noKVM(want, "there is no "+kvmDevice+": the host has no KVM, or the module kvm_intel or kvm_amd is not loaded")
	case err != nil:
		return noKVM(want, err.Error())
	}
	memory, err = memoryFile(memory, g.QEMU)
	if err != nil {
		return Choice{}, err
	}
	works, known, err := recall(memory)
	if err != nil {
		return Choice{}, err
	}
	if known && works {
		return Choice{Accel: KVM}, nil
	}
	if known {
		return noKVM(want, fmt.Sprintf("%s opens, but a guest did not come up under it since this host booted; delete %s to try again", kvmDevice, memory))
	}
	step("prove KVM with a short boot (at most %.0f s)", proofLimits.Boot.Seconds())
	if works, err = proveKVM(ctx, g, plan, proofDir); err != nil {
		return Choice{}, err
	}
	if works {
		return Choice{Accel: KVM}, remember(memory, true)
	}
	c, err := noKVM(want, fmt.Sprintf("%s opens, but this guest does not come up under it, see %s", kvmDevice, proofDir))
	c.memory = memory
	return c, err
}

func noKVM(want, why string) (Choice, error) {
	if want == KVM {
		return Choice{}, &MissingError{fmt.Errorf("KVM cannot be used: %s; or pass -accel tcg", why)}
	}
	return Choice{Accel: TCG, Why: why}, nil
}

// day is how long Said does not repeat a reason.
const day = 24 * time.Hour

// Said returns a text which says that KVM does not work, or "" if c gives no
// reason. The text has the reason only once a day, because the reason is long
// and the same at every boot. The folder memory stores when a reason was last
// returned.
func (c Choice) Said(memory string) (string, error) {
	if c.Why == "" {
		return "", nil
	}
	sum := sha256.Sum256([]byte(c.Why))
	file := filepath.Join(memory, "said-"+hex.EncodeToString(sum[:4])+".json")
	info, err := os.Stat(file)
	if err == nil && time.Since(info.ModTime()) < day {
		return "; KVM does not work", nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return "; KVM does not work: " + c.Why, remember(file, true)
}

// Learn remembers that KVM does not work on this host, if the guest that did
// not boot under KVM has booted under TCG. Otherwise the guest may be to blame.
func (c Choice) Learn(exit wire.Exit) error {
	if c.memory == "" || exit.BootS == 0 {
		return nil
	}
	return remember(c.memory, false)
}

// recall reads what was remembered. A file with any other content counts as
// unknown.
func recall(file string) (works, known bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	known = json.Unmarshal(text, &works) == nil
	return works, known, nil
}

func remember(file string, works bool) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return wire.WriteJSON(file, works)
}

// memoryFile returns the file's name for this boot of the host and this QEMU.
func memoryFile(dir, version string) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(version))
	return filepath.Join(dir, strings.TrimSpace(string(boot))+"-"+hex.EncodeToString(sum[:4])+".json"), nil
}

// proveKVM boots g until it says hello.
func proveKVM(ctx context.Context, g Guest, plan wire.Plan, dir string) (bool, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	enough, stop := context.WithCancel(ctx)
	defer stop()
	g.Accel = KVM
	exit, err := Boot(enough, g, plan, proofLimits, dir, Observer{Record: func(r wire.Record) {
		if r.Type == wire.TypeHello {
			stop()
		}
	}})
	return exit.BootS > 0, errors.Join(err, ctx.Err())
}
