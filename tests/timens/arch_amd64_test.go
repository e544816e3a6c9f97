package timens

import "golang.org/x/sys/unix"

// sysSemtimedop takes a unix.Timespec.
const sysSemtimedop = unix.SYS_SEMTIMEDOP
