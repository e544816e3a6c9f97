// SPDX-License-Identifier: BSD-3-Clause

package vm

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"strings"
	"syscall"

	"github.com/hugelgupf/vmtest/qemu"
)

// preset is a value that QEMU's debugger stores in a kernel variable when the
// kernel calls a function. The kernel itself is not changed.
type preset struct {
	at, variable uint64 // addresses
	value        uint32
}

// apicHz is the rate of QEMU's APIC timer.
const apicHz = 1_000_000_000

// apicPeriod returns the preset that avoids the calibration of the APIC timer
// at boot. To calibrate it, the kernel waits 0.1 s in a loop with PAUSE. With
// instruction counting QEMU takes a microsecond for each PAUSE. This is three
// of the five seconds of a boot. If lapic_timer_period is already set, the
// kernel uses its value (see calibrate_APIC_clock). CPUID and some hypervisors
// set it early. apicPeriod returns nil for a kernel without these symbols.
func apicPeriod(vmlinux string, hz int) (*preset, error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading only
	symbols, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, fmt.Errorf("%s: %w", vmlinux, err)
	}
	p := preset{value: apicHz / uint32(hz)}
	for _, s := range symbols {
		switch s.Name {
		case "setup_boot_APIC_clock":
			p.at = s.Value
		case "lapic_timer_period":
			p.variable = s.Value
		}
	}
	if p.at == 0 || p.variable == 0 {
		return nil, nil
	}
	return &p, nil
}

// debugger is QEMU's debugger, with the protocol of "gdb target remote". The
// guest starts only when the debugger lets it.
type debugger struct {
	*port
	replies *bufio.Reader
}

func newDebugger(opts *qemu.Options) (*debugger, error) {
	p, err := newPort(opts, "debugger", "-S", "-gdb", "chardev:debugger")
	if err != nil {
		return nil, err
	}
	return &debugger{p, bufio.NewReader(p)}, nil
}

// apply starts the guest, waits until it reaches p.at, sets the variable, and
// detaches. It is no error if the guest ends or never gets there: the evidence
// shows that.
func (d *debugger) apply(p preset) error {
	value := fmt.Sprintf("%08x", bits.ReverseBytes32(p.value))
	for _, step := range []struct{ ask, want string }{
		{fmt.Sprintf("Z1,%x,1", p.at), "OK"}, // a breakpoint
		{"c", "T05"},                         // SIGTRAP
		{fmt.Sprintf("M%x,4:%s", p.variable, value), "OK"},
		{fmt.Sprintf("z1,%x,1", p.at), "OK"},
		{"D", "OK"},
	} {
		got, err := d.ask(step.ask)
		if strings.HasPrefix(got, "W") || errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("QEMU's debugger: %w", err)
		}
		if !strings.HasPrefix(got, step.want) {
			return fmt.Errorf("QEMU's debugger answers %q to %q, want %s", got, step.ask, step.want)
		}
	}
	return nil
}

// ask sends a packet and returns the text of the answer.
func (d *debugger) ask(text string) (string, error) {
	if _, err := fmt.Fprintf(d, "$%s#%02x", text, checksum(text)); err != nil {
		return "", err
	}
	if _, err := d.replies.ReadString('$'); err != nil { // skips the '+' that acknowledges our packet
		return "", err
	}
	answer, err := d.replies.ReadString('#')
	if err != nil {
		return "", err
	}
	answer = strings.TrimSuffix(answer, "#")
	var sum [2]byte
	if _, err := io.ReadFull(d.replies, sum[:]); err != nil {
		return "", err
	}
	if want := fmt.Sprintf("%02x", checksum(answer)); string(sum[:]) != want {
		return "", fmt.Errorf("answer %q has the checksum %s, want %s", answer, sum, want)
	}
	_, _ = d.Write([]byte("+")) // if this fails, the next packet fails, too
	return answer, nil
}

// checksum is the sum of all bytes, modulo 256.
func checksum(text string) byte {
	var sum byte
	for _, b := range []byte(text) {
		sum += b
	}
	return sum
}
