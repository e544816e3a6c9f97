// SPDX-License-Identifier: BSD-3-Clause

package worker

import (
	"fmt"

	"timens-vmtest/internal/host"
)

// Share is the part of the machine that an item has. The zero value is the whole machine.
type Share struct {
	Item   string // its name
	Cores  int    // how many cores it may use; 0: all that this program may use
	Beside bool   // other items run at the same time, or may do so before it ends
}

// Of returns a host with this part of the machine. If other items run beside this one, each line
// of progress begins with the name of the item.
func (s Share) Of(h host.Host) host.Host {
	h.Cores = s.Cores
	if s.Beside {
		h.Report = named{h.Report, s.Item}
	}
	return h
}

// named is a Reporter that says which item it is that reports.
type named struct {
	host.Reporter
	item string
}

func (n named) Step(format string, args ...any) {
	n.Reporter.Step("%s: %s", n.item, fmt.Sprintf(format, args...))
}

func (n named) Count(what string, done, total int, name string) {
	n.Reporter.Count(what+" of "+n.item, done, total, name)
}
