// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// Splat is a message that a healthy kernel does not print.
type Splat struct {
	Shard int `json:"shard,omitempty"` // number of the shard in its lane, from 1; 0: the lane is not split

	Boot int      `json:"boot"` // number of the boot in its lane or shard, from 1
	Line int      `json:"line"` // line in that boot's console log, from 1
	Text string   `json:"text"` // the line that says what happened
	Test string   `json:"test"` // package.Test that was running; empty before the first and after the last
	More []string `json:"more"` // the lines from the first to the end of the call trace, with source lines if they could be decoded

	Near string `json:"near,omitempty"` // which line that the series has added is nearest to its top frames; empty: none is near

	Allowed string `json:"allowed,omitempty"` // reason why it is allowed; empty: it is not
}

// splatLines is how many lines belong to a splat. Another sign among them does not begin a
// splat of its own. If no line ends the call trace, this many lines are quoted.
const splatLines = 40

// traceLines limits the search for the line that ends a call trace.
const traceLines = 120

// traceEnd is a part of that line.
const traceEnd = "---[ end "

// prefix matches what printk puts before a message: a timestamp and, with
// CONFIG_PRINTK_CALLER, the caller.
var prefix = regexp.MustCompile(`^(<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?`)

// A line that contains one of the signs begins a splat. Each is a format string of the
// kernel, without its arguments.
var signs = []string{
	"Kernel panic - not syncing",
	"BUG: ",
	"kernel BUG at ",
	"WARNING: ",
	"------------[ cut here ]------------",
	"Oops: ",
	"Oops[#",
	"general protection fault",
	"double fault: ",
	"invalid opcode: ",
	"divide error: ",
	"stack segment: ",
	"unable to handle",
	"Unable to handle",
	"traps: PANIC",
	"UBSAN: ",
	"KASAN: ",
	"KCSAN: ",
	"KFENCE: ",
	"KMSAN: ",
	"ODEBUG: ",
	"refcount_t: ",
	"INFO: possible recursive locking",
	"INFO: possible circular locking",
	"INFO: trying to register non-static key",
	"INFO: inconsistent lock state",
	"INFO: suspicious RCU usage",
	"possible irq lock inversion",
	"-safe -> ",
	"-unsafe lock order detected",
	"INFO: task ",
	"INFO: rcu",
	"detected stalls on CPUs",
	"self-detected stall on CPU",
	"detected expedited stalls",
	"soft lockup - CPU",
	"hard LOCKUP",
	"scheduling while atomic",
	"sleeping function called from invalid context",
	"suspicious memory leak",
	"new suspected memory leaks",
	"Out of memory: ",
	"oom-kill:",
	"page allocation failure",
	"bad: scheduling from the idle thread",
	"Bad page state",
	"list_add corruption",
	"list_del corruption",
	"vvar_page accessed remotely",
	"nobody cared",
	"Marking clocksource",
	"Marking TSC unstable",
}

// announcement matches what uinit writes to the kernel log before each test, and after the
// last one.
var announcement = regexp.MustCompile(`^vmtest: (?:start (\S+)|end of the tests)$`)

// scan reads a console log from its first byte. decoded is the same log with source lines.
// It is quoted instead if it has the same number of lines.
func scan(console, decoded []byte, allow []Allowance) (splats []Splat, banners int, lost bool) {
	test := ""
	lines, quoted := logLines(console, decoded)
	quietUntil := 0
	for i, line := range lines {
		if m := announcement.FindStringSubmatch(line); m != nil {
			test = m[1]
			continue
		}
		if strings.HasPrefix(line, "Linux version ") {
			banners++
		}
		if strings.Contains(line, "printk messages dropped") {
			lost = true
		}
		if i < quietUntil || !isSplat(line) {
			continue
		}
		end, quotedEnd := extent(lines[i:])
		end, quotedEnd = i+end, i+quotedEnd
		head := headline(lines[i:end])
		s := Splat{Line: i + 1, Text: lines[i+head], Test: test, More: quoted[i:quotedEnd], Allowed: allowed(allow, lines[i+head])}
		if s.Allowed == "" {
			quietUntil = end
		} else {
			quietUntil = i + head + 1 // another complaint of the same splat is not allowed with it
		}
		splats = append(splats, s)
	}
	return splats, banners, lost
}

// extent returns how many lines belong to a splat that begins with the first line, and how
// many of them are worth quoting.
func extent(lines []string) (belong, tell int) {
	if n := slices.IndexFunc(lines, announcement.MatchString); n >= 0 {
		lines = lines[:n]
	}
	belong = min(splatLines, len(lines))
	end := slices.IndexFunc(lines[:min(traceLines, len(lines))], func(line string) bool { return strings.Contains(line, traceEnd) })
	if end < 0 {
		return belong, belong
	}
	tell = end + 1
	for n := tell; n < belong; n++ { // such as a panic after an oops
		if isSplat(lines[n]) {
			tell = n + 1
		}
	}
	return belong, tell
}

// logLines returns the lines of a console log, and those lines as they are quoted: from decoded,
// the same log with source lines, if it has as many.
func logLines(console, decoded []byte) (lines, quoted []string) {
	lines, quoted = messages(console), messages(decoded)
	if len(quoted) != len(lines) {
		quoted = lines
	}
	return lines, quoted
}

// messages returns the lines of a console log without the prefix that printk adds.
func messages(console []byte) []string {
	var lines []string
	for line := range bytes.SplitSeq(console, []byte("\n")) {
		lines = append(lines, strings.TrimRight(prefix.ReplaceAllString(string(line), ""), "\r"))
	}
	return lines
}

func isSplat(line string) bool {
	for _, s := range signs {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

// headline returns the index of the first line that says what happened. The line "cut here"
// does not.
func headline(lines []string) int {
	if strings.Contains(lines[0], "[ cut here ]") && len(lines) > 1 {
		return 1
	}
	return 0
}
