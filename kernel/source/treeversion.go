// SPDX-License-Identifier: BSD-3-Clause

package source

// TreeVersion returns the version that the Makefile of a kernel tree has, such as "6.12.117". A
// folder that is no kernel tree is a blame.UsageError.
func TreeVersion(dir string) (string, error) { return checkedOut(dir) }
