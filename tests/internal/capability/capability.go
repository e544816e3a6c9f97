// SPDX-License-Identifier: BSD-3-Clause

// Package capability reads capabilities of the calling thread, and drops them
// there or in a program.
package capability

import (
	"fmt"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
)

// Has reports whether the capability, a unix.CAP_*, is effective.
func Has(capability int) (bool, error) {
	_, data, err := get()
	if err != nil {
		return false, err
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0, nil
}

// Drop makes capabilities ineffective for the calling thread. Call it in osthread.Run.
func Drop(capabilities ...int) error {
	header, data, err := without(capabilities...)
	if err != nil {
		return err
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("drop the capabilities %v: %w", capabilities, err)
	}
	return nil
}

// DropAllBut makes all capabilities but one ineffective for the calling thread. Call it in
// osthread.Run.
func DropAllBut(kept int) error {
	var others []int
	for id := range unix.CAP_LAST_CAP + 1 {
		if id != kept {
			others = append(others, id)
		}
	}
	return Drop(others...)
}

// without returns the arguments with which capset() keeps all capabilities of
// the calling thread, except for the given ones.
func without(capabilities ...int) (unix.CapUserHeader, [2]unix.CapUserData, error) {
	header, data, err := get()
	for _, id := range capabilities {
		data[id/32].Effective &^= 1 << (id % 32)
	}
	return header, data, err
}

// LoseInside adds a step to p that keeps all capabilities of the calling thread,
// except for the given ones.
func LoseInside(p *clone.Program, capabilities ...int) clone.Result {
	header, data, err := without(capabilities...)
	if err != nil {
		panic(err) // the arguments are valid
	}
	return p.Syscall(unix.SYS_CAPSET, p.Data(clone.Bytes(header)), p.Data(clone.Bytes(data[:]...)))
}

func get() (unix.CapUserHeader, [2]unix.CapUserData, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return header, data, fmt.Errorf("read capabilities: %w", err)
	}
	return header, data, nil
}
