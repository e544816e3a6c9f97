// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// kmemleak is the kernel's leak detector, if it has one. What it finds is
// copied to the kernel log, which the host reads.
type kmemleak struct{ built bool }

const kmemleakFile = "/sys/kernel/debug/kmemleak"

func newKmemleak(config []byte) kmemleak {
	return kmemleak{bytes.Contains(config, []byte("\nCONFIG_DEBUG_KMEMLEAK=y\n"))}
}

// clear makes it forget all leaks from before the first test.
func (k kmemleak) clear() error {
	if !k.built {
		return nil
	}
	for _, command := range []string{"scan=off", "scan", "clear"} {
		if err := k.write(command); err != nil {
			return err
		}
	}
	return nil
}

// kmemleak reports a leak only from the second scan that finds it, and only
// when it is 5 s old: MSECS_MIN_AGE of mm/kmemleak.c.
const minAge = 5100 * time.Millisecond

// report scans for what the tests leaked, and copies the call traces of the
// allocations to the kernel log.
func (k kmemleak) report() error {
	if !k.built {
		return nil
	}
	if err := k.write("scan"); err != nil {
		return err
	}
	time.Sleep(minAge)
	if err := k.write("scan"); err != nil {
		return err
	}
	text, err := os.ReadFile(kmemleakFile)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if err := announce("leak: " + strings.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

func (kmemleak) write(command string) error {
	if err := os.WriteFile(kmemleakFile, []byte(command), 0); err != nil {
		return fmt.Errorf("kmemleak, which this kernel was built with: %w", err)
	}
	return nil
}
