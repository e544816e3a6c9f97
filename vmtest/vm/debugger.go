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

// preset is what QEMU's debugger puts into a variable of the kernel when that
// comes to a function. The kernel stays as it was built.
type preset struct {
	at, variable uint64 // addresses
	value        uint32
}

// apicHz is the rate of QEMU's APIC timer.
const apicHz = 1_000_000_000

// apicPeriod is the preset that spares a boot the calibration of the APIC timer:
// the kernel waits 0.1 s for it in a loop with PAUSE, each of which costs
// QEMU's instruction counting a microsecond, which makes three of the five seconds of
// a boot. Where lapic_timer_period is set, as CPUID and some hypervisors let the
// kernel do early, it is believed (see calibrate_APIC_clock). It returns nil for a
// kernel that has other symbols.
func apicPeriod(vmlinux string, hz int) (*preset, error) {
	f, err := elf.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
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

// debugger is QEMU's debugger, in the protocol of "gdb target remote". The guest
// does not start until it is told to.
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

// apply starts the guest, waits until it comes to p.at, and lets go of it once
// the variable is set. A guest that never gets there, or that ends before, shows
// that by itself, and is no error.
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

// ask sends a packet, and returns that of the answer.
func (d *debugger) ask(text string) (string, error) {
	if _, err := fmt.Fprintf(d, "$%s#%02x", text, checksum(text)); err != nil {
		return "", err
	}
	if _, err := d.replies.ReadString('$'); err != nil { // with the '+' for what we sent
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
	_, _ = d.Write([]byte("+")) // if nobody takes it, nobody takes the next packet
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
