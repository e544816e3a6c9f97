// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
	"timens-vmtest/vmtest/verdict"
)

// A replay has gone the same way if it prints the same. Nothing is no proof, and of a guest that
// hung, only what came before the host's dump counts.
func TestCompareReplay(t *testing.T) {
	for name, tc := range map[string]struct {
		recorded, replayed string
		dumpAt             int64
		want               string // of the error; "": the same way
	}{
		"the same":                       {recorded: "ab\n", replayed: "ab\n"},
		"another byte":                   {recorded: "ab\n", replayed: "ac\n", want: "differ from byte 1 on"},
		"shorter":                        {recorded: "ab\n", replayed: "a", want: "differ from byte 1 on"},
		"longer":                         {recorded: "ab\n", replayed: "ab\nc", want: "differ from byte 3 on"},
		"nothing was printed":            {want: "is empty, so nothing shows that the replay goes the same way"},
		"nothing is printed":             {recorded: "ab\n", want: "differ from byte 0 on"},
		"a dump behind":                  {recorded: "ab\ndump", replayed: "ab\n", dumpAt: 3},
		"a dump behind another byte":     {recorded: "ab\ndump", replayed: "xb\n", dumpAt: 3, want: "differ from byte 0 on"},
		"less than before the dump":      {recorded: "ab\ndump", replayed: "ab", dumpAt: 3, want: "differ from byte 2 on"},
		"a dump, and the replay goes on": {recorded: "ab\ndump", replayed: "ab\nmore", dumpAt: 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, wire.ConsoleFile), []byte(tc.replayed), 0o644); err != nil {
				t.Fatal(err)
			}
			was := recordedBoot{BootEvidence: verdict.BootEvidence{Console: []byte(tc.recorded), Exit: &wire.Exit{DumpAt: tc.dumpAt}}, dir: "recorded"}
			keep, err := new(debugger).compareReplay(was, wire.Exit{}, dir)
			if tc.want == "" {
				if err != nil || keep {
					t.Errorf("got %v, and keeps the folder: %v", err, keep)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || keep != strings.Contains(tc.want, "differ") {
				t.Errorf("got %v, and keeps the folder: %v; want %q", err, keep, tc.want)
			}
		})
	}
}

// A replay that nobody debugs ends, even if QEMU stands still. gdb may take its time.
func TestReplayLimits(t *testing.T) {
	was := wire.Exit{DurationS: 20}
	if got := replayLimits(was, false).Run; got < time.Minute || got > 10*time.Minute {
		t.Errorf("a replay of %v s may take %v", was.DurationS, got)
	}
	if got := replayLimits(was, true).Run; got < 24*time.Hour {
		t.Errorf("gdb may take %v", got)
	}
}
