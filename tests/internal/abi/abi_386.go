// SPDX-License-Identifier: BSD-3-Clause

package abi

import "golang.org/x/sys/unix"

// Times are the widths that this program has.
var Times = []Time{Time64, Time32}

var numbers = [...][2]uintptr{
	ClockGettime:   {unix.SYS_CLOCK_GETTIME64, unix.SYS_CLOCK_GETTIME},
	ClockGetres:    {unix.SYS_CLOCK_GETRES_TIME64, unix.SYS_CLOCK_GETRES},
	ClockSettime:   {unix.SYS_CLOCK_SETTIME64, unix.SYS_CLOCK_SETTIME},
	ClockNanosleep: {unix.SYS_CLOCK_NANOSLEEP_TIME64, unix.SYS_CLOCK_NANOSLEEP},
	TimerSettime:   {unix.SYS_TIMER_SETTIME64, unix.SYS_TIMER_SETTIME},
	TimerGettime:   {unix.SYS_TIMER_GETTIME64, unix.SYS_TIMER_GETTIME},
	TimerfdSettime: {unix.SYS_TIMERFD_SETTIME64, unix.SYS_TIMERFD_SETTIME},
	TimerfdGettime: {unix.SYS_TIMERFD_GETTIME64, unix.SYS_TIMERFD_GETTIME},
	Futex:          {unix.SYS_FUTEX_TIME64, unix.SYS_FUTEX},
	Ppoll:          {unix.SYS_PPOLL_TIME64, unix.SYS_PPOLL},
	Pselect6:       {unix.SYS_PSELECT6_TIME64, unix.SYS_PSELECT6},
	RtSigtimedwait: {unix.SYS_RT_SIGTIMEDWAIT_TIME64, unix.SYS_RT_SIGTIMEDWAIT},
	Semtimedop:     {Time64: unix.SYS_SEMTIMEDOP_TIME64},
	MqTimedsend:    {unix.SYS_MQ_TIMEDSEND_TIME64, unix.SYS_MQ_TIMEDSEND},
	MqTimedreceive: {unix.SYS_MQ_TIMEDRECEIVE_TIME64, unix.SYS_MQ_TIMEDRECEIVE},
}
