// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"timens-vmtest/internal/blame"
)

// CloneHeader is the header that defines the flags and the structures of clone3().
const CloneHeader = "include/uapi/linux/sched.h"

var (
	cloneName = regexp.MustCompile(`(?m)^#define[ \t]+(CLONE_[A-Z0-9_]+)[ \t]+([^/\n]*)`)
	cloneBit  = regexp.MustCompile(`^\(1ULL[ \t]*<<[ \t]*([0-9]+)\)$`)
	cloneHex  = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+)[uUlL]*$`)
	noFlag    = regexp.MustCompile(`^([0-9]+|CLONE_[A-Z0-9_]+)$`) // the size of a structure, or another name of a flag
)

// CloneFlags returns a bit for each flag of clone3() above the lower 32 bits that the tree's
// header linux/sched.h defines. A value in a form that is not known is a blame.BuildError,
// because a flag that goes unnoticed would make a test expect the wrong answer. A tree
// without the header has no flags.
func (t Tree) CloneFlags() (uint64, error) {
	text, err := t.Read(CloneHeader)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var all uint64
	for _, m := range cloneName.FindAllSubmatch(text, -1) {
		name, value := string(m[1]), strings.TrimSpace(string(m[2]))
		if noFlag.MatchString(value) {
			continue
		}
		bit, err := cloneValue(value)
		if err != nil {
			return 0, &blame.BuildError{Stage: "abi", Err: fmt.Errorf("%s defines %s as %q; vmtest reads flags of the forms 0x100000000ULL and (1ULL << 32)", CloneHeader, name, value)}
		}
		if bits.OnesCount64(bit) == 1 { // others are masks
			all |= bit &^ (1<<32 - 1)
		}
	}
	return all, nil
}

// cloneValue evaluates the definition of a flag.
func cloneValue(text string) (uint64, error) {
	if m := cloneBit.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 6)
		return 1 << n, err
	}
	if m := cloneHex.FindStringSubmatch(text); m != nil {
		return strconv.ParseUint(m[1], 0, 64)
	}
	return 0, errors.New("unknown form")
}
