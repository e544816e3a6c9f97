// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"bytes"
	"regexp"
	"strings"
)

// What a dump of all tasks shows of one.
const (
	mostStuck       = 3 // tasks
	mostStuckFrames = 6 // of one task
)

var (
	// taskRE matches the line with which the kernel begins a task: its name, its state and its PID.
	taskRE = regexp.MustCompile(`^task:(.*?) +state:(\S).*? pid:(\d+)`)
	// cpuRE matches the line with which a CPU begins what it runs: the PID of the task.
	cpuRE = regexp.MustCompile(`^CPU: \d+ (?:UID: \d+ )?PID: (\d+) Comm: `)
	// waitingRE matches functions that every task waits in.
	waitingRE = regexp.MustCompile(`^(?:__)?schedule(?:_|$)`)
	// interruptRE matches functions by which an interrupt comes to a task that runs.
	interruptRE = regexp.MustCompile(`^(?:asm_)?(?:sysvec_|common_interrupt|exc_nmi)|_nmi$`)
)

// stuckTasks returns a line for each task that ran or that nothing could wake, when a guest had
// hung and dumped its tasks from byte at of its console log on: where in the kernel it was. decoded
// is the same log with source lines. It is not used if it has another number of lines.
func stuckTasks(console, decoded []byte, at int64) []string {
	if at <= 0 || at > int64(len(console)) {
		return nil
	}
	_, lines := logLines(console, decoded)
	lines = lines[bytes.Count(console[:at], []byte("\n")):]
	running := make(map[string][]string) // by PID: what the CPU says that runs it
	for i, line := range lines {
		if m := cpuRE.FindStringSubmatch(line); m != nil {
			running[m[1]], _ = stuckFrames(lines[i+1:])
		}
	}
	var all []string
	for i, line := range lines {
		m := taskRE.FindStringSubmatch(line)
		if m == nil || m[2] != "R" && m[2] != "D" {
			continue
		}
		frames, waits := stuckFrames(lines[i+1:])
		if known := running[m[3]]; len(known) > 0 { // of a task that runs on another CPU, the dump has leftovers
			frames, waits = known, false
		}
		if len(frames) == 0 || m[2] == "R" && waits { // it could run, but did not
			continue
		}
		how := "runs in"
		if m[2] == "D" {
			how = "cannot be woken in"
		}
		all = append(all, "the task "+m[1]+" "+how+" "+strings.Join(frames, ", "))
		if len(all) == mostStuck {
			break
		}
	}
	return all
}

// stuckFrames returns the innermost functions of the call trace at the beginning of the lines.
// waits says that the task had given up its CPU.
func stuckFrames(lines []string) (frames []string, waits bool) {
	inInterrupt := false
	for _, line := range lines {
		switch {
		case taskRE.MatchString(line), cpuRE.MatchString(line), strings.Contains(line, "</TASK>"):
			return frames, waits
		case strings.Contains(line, "<IRQ>"), strings.Contains(line, "<NMI>"):
			inInterrupt = true
		case strings.Contains(line, "</IRQ>"), strings.Contains(line, "</NMI>"):
			inInterrupt = false
		}
		m := frameRE.FindStringSubmatch(line)
		switch {
		case m == nil || inInterrupt || interruptRE.MatchString(m[2]):
		case waitingRE.MatchString(m[2]):
			waits = waits || len(frames) == 0
		case len(frames) < mostStuckFrames:
			frame := m[1] + m[2]
			if place := sourceRE.FindString(m[3]); place != "" {
				frame += " (" + place + ")"
			}
			frames = append(frames, frame)
		}
	}
	return frames, waits
}
