// SPDX-License-Identifier: BSD-3-Clause

package namespaces

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"timens-vmtest/tests/internal/clone"
	"timens-vmtest/tests/internal/design"
	"timens-vmtest/tests/internal/timens"
)

// Every size of the structure, and every byte that the kernel does not know, is
// either accepted or refused as the rules say. An accepted call fails with ENOSPC
// for its user namespace, so it makes no child.
func TestEverySize(t *testing.T) {
	design.NeedOnly(t, design.Namespaces)
	noUserNamespaces(t)
	mem := make([]byte, 2*timens.PageSize)
	copy(mem, asBytes(timens.Across))
	args := pointer(&mem[0], 0)
	args.Flags |= unix.CLONE_NEWUSER
	p := timens.NewProgram(t)
	refuse := func(size int, want unix.Errno) {
		args.Offsets[1] = uint64(size)
		design.RefuseProgram(t, p, args, clone.SizeVer3, want)
	}
	for size := range timens.PageSize + 200 {
		switch {
		case size < int(version0):
			refuse(size, unix.EINVAL)
		case size > timens.PageSize:
			refuse(size, unix.E2BIG)
		default:
			refuse(size, unix.ENOSPC)
		}
	}
	for at := reserved; at < timens.PageSize; at++ {
		mem[at] = 0x80
		refuse(max(at+1, int(version0)), unix.E2BIG)
		refuse(timens.PageSize, unix.E2BIG)
		if at%61 == 0 && at >= int(version0) {
			refuse(at, unix.ENOSPC)
		}
		mem[at] = 0
	}
	if !bytes.Equal(mem[:version0], asBytes(timens.Across)) {
		t.Errorf("the structure became % x", mem[:version0])
	}
}

// noUserNamespaces sets the limit of user namespaces to 0 until the test ends.
func noUserNamespaces(t *testing.T) {
	t.Helper()
	const file = "/proc/sys/user/max_user_namespaces"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, old, 0); err != nil {
			t.Error(err)
		}
	})
}
