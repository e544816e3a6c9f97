// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// fakeMonitor is QEMU's monitor. It is served if the guest is stopped when it resets.
type fakeMonitor struct{ conn *os.File }

func newFakeMonitor(args []string) (*fakeMonitor, error) {
	if !slices.Contains(args, "reboot=shutdown,shutdown=pause") {
		return nil, nil
	}
	for _, a := range args {
		fd, ok := strings.CutPrefix(a, "socket,id=monitor,fd=")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(fd)
		if err != nil {
			return nil, err
		}
		m := &fakeMonitor{os.NewFile(uintptr(n), "monitor")}
		go m.serve()
		return m, nil
	}
	return nil, fmt.Errorf("there is no monitor in %q", args)
}

// serve answers commands until it is told to quit.
func (m *fakeMonitor) serve() {
	fmt.Fprintln(m.conn, `{"QMP": {"version": {}}}`)
	for lines := bufio.NewScanner(m.conn); lines.Scan(); {
		var c struct {
			Execute   string
			Arguments struct{ Protocol, Format string }
		}
		err := json.Unmarshal(lines.Bytes(), &c)
		answer := any(struct{}{})
		switch {
		case err != nil:
		case c.Execute == "query-dump-guest-memory-capability" && os.Getenv("FAKE_DUMPS") != "none":
			answer = map[string]any{"formats": []string{"elf", "kdump-zlib"}}
		case c.Execute == "dump-guest-memory" && os.Getenv("FAKE_DUMPS") == "fails":
			err = os.WriteFile(strings.TrimPrefix(c.Arguments.Protocol, "file:"), []byte("half of it"), 0o400)
			if err == nil {
				err = fmt.Errorf("dump: failed to save memory: No space left on device")
			}
		case c.Execute == "dump-guest-memory":
			err = os.WriteFile(strings.TrimPrefix(c.Arguments.Protocol, "file:"), fakeDump(c.Arguments.Format), 0o400)
		case c.Execute == "quit":
			os.Exit(0)
		case c.Execute != "qmp_capabilities":
			err = fmt.Errorf("The command %s has not been found", c.Execute)
		}
		said := map[string]any{"return": answer}
		if err != nil {
			said = map[string]any{"error": map[string]string{"desc": err.Error()}}
		}
		line, err := json.Marshal(said)
		if err != nil {
			panic(err)
		}
		m.conn.Write(append(line, '\n'))
	}
}

// reset ends QEMU, or stops the guest until the host ends QEMU.
func (m *fakeMonitor) reset() {
	if m == nil {
		os.Exit(0)
	}
	fmt.Fprintln(m.conn, `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}`)
	fmt.Fprintln(m.conn, `{"event": "STOP"}`)
	select {}
}

// fakeDump is a file without any memory, as QEMU would write it.
func fakeDump(format string) []byte {
	var b bytes.Buffer
	if format == "elf" {
		head := elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1}, Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
		if err := binary.Write(&b, binary.LittleEndian, head); err != nil {
			panic(err)
		}
		if err := binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_NOTE), Off: 120}); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	dump := make([]byte, 2*4096)
	copy(dump, "KDUMP   ")
	binary.LittleEndian.PutUint64(dump[4096+48:], 4096+120)
	flat := make([]byte, 4096)
	copy(flat, "makedumpfile")
	flat = binary.BigEndian.AppendUint64(flat, 0)
	flat = binary.BigEndian.AppendUint64(flat, uint64(len(dump)))
	flat = append(flat, dump...)
	return append(flat, bytes.Repeat([]byte{0xff}, 16)...)
}
