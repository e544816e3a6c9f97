// SPDX-License-Identifier: BSD-3-Clause

package kbuild

import "runtime"

// Cores returns how many jobs make runs at the same time. It is as many as Go programs use, which
// know the limits of a container and $GOMAXPROCS. A machine may have many more, and a compiler
// for each of them would not find memory.
func Cores() int { return runtime.GOMAXPROCS(0) }
