// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// sysrq is a guest that hangs. It prints each key of the magic SysRq that it gets, unless no CPU takes
// interrupts, and that it got an NMI.
const sysrq = `
while read -r command <&5; do
	echo '{"return":{}}' >&5
	case $command in
	*send-break*)
		key=$(dd bs=1 count=1 <&6 2>&-)
		if [ -z "$DEAF" ]; then echo "$key" >&3; fi ;;
	*inject-nmi*)
		echo NMI >&3 ;;
	esac
done
`

// A guest that hangs prints its tasks and what each CPU runs, and its ring if it has one. One that takes no interrupts
// gets an NMI.
func TestDumpKeys(t *testing.T) {
	for name, tc := range map[string]struct {
		traced bool
		deaf   string
		want   string
	}{
		"tasks and CPUs":      {false, "", "t\nl\n"},
		"the ring, too":       {true, "", "t\nl\nz\n"},
		"no CPU that listens": {true, "yes", "NMI\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DEAF", tc.deaf)
			qemuIs(t, sysrq)
			dir := t.TempDir()
			exit, err := Boot(t.Context(), Guest{Kernel: "k", Accel: TCG, Traced: tc.traced}, plan, short(50*time.Millisecond, time.Minute, time.Minute), dir, Observer{Record: func(wire.Record) {}})
			if err != nil || exit.Reason != wire.BootTimeout {
				t.Fatalf("got %+v, %v, want the limit of the boot", exit, err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, wire.ConsoleFile)); err != nil || string(got) != tc.want {
				t.Errorf("the guest got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}
