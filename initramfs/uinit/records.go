// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"timens-vmtest/internal/wire"
)

// records is the stream to the host.
type records struct {
	tty  *os.File
	seq  int
	edge bool // see readRTC
}

// openRecords opens the second UART in raw mode, so that the terminal changes
// no byte.
func openRecords() (*records, error) {
	tty, err := os.OpenFile(wire.RecordTTY, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	attr, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", wire.RecordTTY, err)
	}
	attr.Iflag, attr.Oflag, attr.Lflag = 0, 0, 0
	attr.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, attr); err != nil {
		return nil, fmt.Errorf("%s: %w", wire.RecordTTY, err)
	}
	return &records{tty: tty}, nil
}

// write sends r with its number and the time. It adds the kernel's taint and,
// if the host wants it, the time of QEMU's clock. After a start record and
// after the last record it returns only when the last bit has left the UART,
// because the machine may end next.
func (o *records) write(r wire.Record) error {
	r.Seq = o.seq
	r.UptimeS = uptime()
	if r.Type != wire.TypeOutput && r.Type != wire.TypeTrouble {
		taint, err := readTaint()
		if err != nil {
			return err
		}
		r.Taint = &taint
	}
	if r.Type == wire.TypeHello || r.Type == wire.TypeDone {
		now, within, err := readRTC(o.edge)
		if err != nil {
			return err
		}
		r.RTC, r.RTCWithinS, r.UptimeS = &now, within.Seconds(), uptime()
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := o.tty.Write(append(line, '\n')); err != nil {
		return err
	}
	o.seq++
	switch r.Type {
	case wire.TypeStart, wire.TypeDone, wire.TypeTrouble:
		return o.drain()
	}
	return nil
}

// drain waits until the UART is empty. It does not use tcdrain(), which sleeps
// for jiffies at a time, because a real UART is slow.
func (o *records) drain() error {
	for {
		waiting, err := unix.IoctlGetInt(int(o.tty.Fd()), unix.TIOCOUTQ)
		if err != nil {
			return err
		}
		lsr, err := unix.IoctlGetInt(int(o.tty.Fd()), unix.TIOCSERGETLSR)
		if err != nil {
			return err
		}
		if waiting == 0 && lsr&serTEMT != 0 {
			return nil
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// serTEMT is TIOCSER_TEMT of linux/serial.h: the transmitter is empty.
const serTEMT = 1

// overdue receives the numbers of tests that the host wants ended.
func (o *records) overdue() <-chan int {
	c := make(chan int)
	go func() {
		lines := bufio.NewScanner(o.tty)
		for lines.Scan() {
			if seq, err := wire.ParseOverdue(lines.Bytes()); err == nil { // a test may write here, too
				c <- seq
			}
		}
	}()
	return c
}

// trouble reports err and returns it.
func (o *records) trouble(err error) error {
	return errors.Join(err, o.write(wire.Record{Type: wire.TypeTrouble, Text: err.Error()}))
}

func uptime() float64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return -1
	}
	return float64(ts.Nano()) / 1e9
}

func readTaint() (int64, error) {
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
