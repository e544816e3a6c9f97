// SPDX-License-Identifier: BSD-3-Clause

package flags

import (
	"fmt"
	"strconv"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/run"
)

// shards is a flag with a number of guests, or "auto".
type shards int

// mostShards is more than a plan can be split over with profit. It refuses a typing error before
// it takes all memory.
const mostShards = 64

func (s *shards) String() string {
	if *s == run.AutoShards {
		return "auto"
	}
	return strconv.Itoa(max(1, int(*s)))
}

func (s *shards) Set(value string) error {
	if value == "auto" {
		*s = run.AutoShards
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > mostShards {
		return fmt.Errorf("want auto, or a number from 1 to %d", mostShards)
	}
	*s = shards(n)
	return nil
}

// guestsBeside returns how many guests run side by side at most, as far as the flags say it.
func (c *Command) guestsBeside() int { return max(1, len(Lanes[c.Lane])) * max(1, int(c.shards)) }

// checkShards refuses more guests than the machine has memory for, and a debugger for several.
func (c *Command) checkShards() error {
	if c.shards < 2 {
		return nil
	}
	if c.guest.GDB != "" {
		return blame.Usagef("-gdb is for one guest of a lane, and -shards %d makes several; leave out -shards", c.shards)
	}
	if err := c.guest.CheckBeside(int(c.shards), Lanes[c.Lane]); err != nil {
		return blame.Usagef("-shards %d: %w", c.shards, err)
	}
	return nil
}
