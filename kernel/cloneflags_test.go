// SPDX-License-Identifier: BSD-3-Clause

package kernel

import (
	"strings"
	"testing"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/kernel/source"
)

// The flags are those of the patched header, in each form that kernels have used.
func TestCloneFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		header string
		want   uint64
		fault  string
	}{
		"6.12":     {"#define CSIGNAL\t0x000000ff\n#define CLONE_VM\t0x00000100 /* x */\n#define CLONE_CLEAR_SIGHAND 0x100000000ULL /* Clear */\n#define CLONE_INTO_CGROUP 0x200000000ULL\n#define CLONE_ARGS_SIZE_VER0 64 /* s */\n", 3 << 32, ""},
		"7.3":      {"#define CLONE_CLEAR_SIGHAND\t(1ULL << 32) /* Clear */\n#define CLONE_EMPTY_MNTNS\t(1ULL<<37)\n", 1<<32 | 1<<37, ""},
		"alias":    {"#define CLONE_OTHER CLONE_NNP\n#define CLONE_ALL 0xffffffff00000000ULL\n", 0, ""},
		"bit 63":   {"#define CLONE_LAST (1ULL << 63)\n", 1 << 63, ""},
		"unknown":  {"#define CLONE_ODD BIT_ULL(40)\n", 0, `include/uapi/linux/sched.h defines CLONE_ODD as "BIT_ULL(40)"`},
		"too far":  {"#define CLONE_ODD (1ULL << 64)\n", 0, "CLONE_ODD"},
		"no flags": {"int x;\n", 0, ""},
	} {
		dir := hosttest.Folder(t, map[string]string{"include/uapi/linux/sched.h": tc.header})
		got, err := Tree{Base: source.Base{Dir: dir}}.CloneFlags()
		switch {
		case tc.fault == "" && (err != nil || got != tc.want):
			t.Errorf("%s: got %#x, %v, want %#x", name, got, err, tc.want)
		case tc.fault != "" && (blame.Of(err) != blame.Kernel || !strings.Contains(err.Error(), tc.fault)):
			t.Errorf("%s: got %v, want %q", name, err, tc.fault)
		}
	}
	if got, err := (Tree{Base: source.Base{Dir: t.TempDir()}}).CloneFlags(); got != 0 || err != nil {
		t.Errorf("without a header: %#x, %v", got, err)
	}
}
