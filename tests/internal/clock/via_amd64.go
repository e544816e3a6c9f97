// SPDX-License-Identifier: BSD-3-Clause

package clock

// VDSOs and Syscalls are the ways that this program has.
var (
	VDSOs    = []Via{VDSO}
	Syscalls = []Via{Syscall}
)

// gettime has the names of the vDSO's functions, by abi.Time.
var gettime = [...]string{"__vdso_clock_gettime"}
