// SPDX-License-Identifier: BSD-3-Clause

package uinit

import (
	"fmt"
	"os"
	"time"

	"timens-vmtest/internal/wire"
)

// readRTC reads the machine's clock chip through its ports, in seconds since
// 1970. The kernel is not involved, so the host can compare this time with the
// kernel's clocks. The chip shows whole seconds. With edge, readRTC waits until
// the next second begins, and returns how exactly it knows that moment.
func readRTC(edge bool) (now int64, within time.Duration, err error) {
	began := time.Now()
	before := began // start of the previous reading
	now, err = settledRTC()
	for begin := now; edge && err == nil && now == begin; {
		before, began = began, time.Now()
		time.Sleep(wire.EdgeStep)
		now, err = settledRTC()
	}
	return now, time.Since(before), err
}

func settledRTC() (int64, error) {
	ports, err := os.OpenFile("/dev/port", os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer ports.Close()
	for last := (time.Time{}); ; {
		now, err := readCMOS(ports)
		if err != nil {
			return 0, err
		}
		if now.Equal(last) { // equal readings: no second ended in between
			return now.Unix(), nil
		}
		last = now
	}
}

// Ports and registers of the MC146818. PCs keep the century in this register.
const (
	cmosIndex, cmosData = 0x70, 0x71

	regSecond, regMinute, regHour, regDay, regMonth, regYear, regCentury = 0, 2, 4, 7, 8, 9, 0x32

	regB      = 11
	regB24h   = 1 << 1
	regBNoBCD = 1 << 2
)

func readCMOS(ports *os.File) (time.Time, error) {
	var err error
	get := func(register byte) int {
		b := []byte{register}
		if err == nil {
			_, err = ports.WriteAt(b, cmosIndex)
		}
		if err == nil {
			_, err = ports.ReadAt(b, cmosData)
		}
		return int(b[0])
	}
	if mode := get(regB); err == nil && mode&(regB24h|regBNoBCD) != regB24h {
		return time.Time{}, fmt.Errorf("the clock chip has mode %#x, not BCD and 24 hours", mode)
	}
	bcd := func(register byte) int {
		b := get(register)
		return b>>4*10 + b&15
	}
	t := time.Date(bcd(regCentury)*100+bcd(regYear), time.Month(bcd(regMonth)), bcd(regDay),
		bcd(regHour), bcd(regMinute), bcd(regSecond), 0, time.UTC)
	return t, err
}
