// SPDX-License-Identifier: BSD-3-Clause

package kselftest

// withLibcap is empty: Debian has libcap for 32-bit programs only on machines with
// a second architecture. If a kernel has such a program without libcap, the harness
// builds it, and TestNoneLeftOut fails until it has a test.
var withLibcap []string
