// SPDX-License-Identifier: BSD-3-Clause

package abi

import "golang.org/x/sys/unix"

// Times are the widths that this program has.
var Times = []Time{Time64}

var numbers = [...][1]uintptr{
	ClockGettime:   {unix.SYS_CLOCK_GETTIME},
	ClockGetres:    {unix.SYS_CLOCK_GETRES},
	ClockSettime:   {unix.SYS_CLOCK_SETTIME},
	ClockNanosleep: {unix.SYS_CLOCK_NANOSLEEP},
	TimerSettime:   {unix.SYS_TIMER_SETTIME},
	TimerGettime:   {unix.SYS_TIMER_GETTIME},
	TimerfdSettime: {unix.SYS_TIMERFD_SETTIME},
	TimerfdGettime: {unix.SYS_TIMERFD_GETTIME},
	Futex:          {unix.SYS_FUTEX},
	Ppoll:          {unix.SYS_PPOLL},
	Pselect6:       {unix.SYS_PSELECT6},
	RtSigtimedwait: {unix.SYS_RT_SIGTIMEDWAIT},
	Semtimedop:     {unix.SYS_SEMTIMEDOP},
	MqTimedsend:    {unix.SYS_MQ_TIMEDSEND},
	MqTimedreceive: {unix.SYS_MQ_TIMEDRECEIVE},
}
