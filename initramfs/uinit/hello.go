// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// introduce returns what the judge compares with the kernel that was built. It
// removes from the plan the tests that this lane or this shard does not run.
func introduce(p *wire.Plan, config []byte) (wire.Hello, error) {
	h := wire.Hello{Schema: wire.Schema, PlanID: p.ID}
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return wire.Hello{}, err
	}
	h.Release = unix.ByteSliceToString(uname.Release[:])
	h.Version = unix.ByteSliceToString(uname.Version[:])

	notes, err := os.ReadFile("/sys/kernel/notes")
	if err != nil {
		return wire.Hello{}, err
	}
	id := wire.GNUBuildID(notes)
	if id == nil {
		return wire.Hello{}, errors.New("/sys/kernel/notes has no build ID")
	}
	h.BuildID = hex.EncodeToString(id)

	if h.BootID, err = bootParam(wire.BootParam); err != nil {
		return wire.Hello{}, err
	}
	if h.Lane, err = bootParam(wire.LaneParam); err != nil {
		return wire.Hello{}, err
	}
	if h.Shard, err = countParam(wire.ShardParam, 0); err != nil { // 0 if the lane is not split
		return wire.Hello{}, err
	}
	*p = p.In(h.Lane).Shard(h.Lane, h.Shard)
	from, err := bootParam(wire.FromParam)
	if err != nil {
		return wire.Hello{}, err
	}
	if h.From, err = strconv.Atoi(from); err != nil || h.From < 0 || h.From >= len(p.Tests) {
		return wire.Hello{}, fmt.Errorf("%s=%s is no index into a plan of %d tests", wire.FromParam, from, len(p.Tests))
	}
	if h.Clocksource, err = settledClocksource(); err != nil {
		return wire.Hello{}, err
	}
	digest := sha256.Sum256(config)
	h.ConfigSHA256 = hex.EncodeToString(digest[:])
	carried, err := readCarried()
	h.Carried = carried.Digest()
	return h, err
}

// errNoParam says that the kernel was given no such parameter.
var errNoParam = errors.New("/proc/cmdline has no such parameter")

func bootParam(name string) (string, error) {
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return "", err
	}
	for _, word := range strings.Fields(string(text)) {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("%w: %s", errNoParam, name)
}

// countParam returns the number above 0 that a kernel parameter has, or otherwise if the kernel has no such
// parameter.
func countParam(name string, otherwise int) (int, error) {
	text, err := bootParam(name)
	if errors.Is(err, errNoParam) {
		return otherwise, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s is no number above 0", name, text)
	}
	return n, nil
}

// settledClocksource waits until the kernel uses the TSC, which the vDSO can
// read. The kernel switches to it some time after it has started init.
func settledClocksource() (string, error) {
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		text, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
		if err != nil {
			return "", err
		}
		name := strings.TrimSpace(string(text))
		if strings.HasPrefix(name, "tsc") || name == "kvm-clock" || wait > 2*time.Second {
			return name, nil
		}
		time.Sleep(wait)
	}
}

// runningConfig returns the .config that the running kernel was built with.
func runningConfig() ([]byte, error) {
	f, err := os.Open("/proc/config.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(text)
}
