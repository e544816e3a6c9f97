// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A guest that was recorded goes the same way again, byte for byte. gdb steps back in it, goes
// back to where an offset was written, and from there to the start. A recording of another guest is noticed.
func TestReplay(t *testing.T) {
	g := newGuests(t)
	latest := filepath.Join(g.results, "latest")
	const test = "timens.TestTimerfdAbsolute"
	record := []string{"run", "-series", "control", "-run", "^" + regexp.QuoteMeta(test) + "$", "-lane", "virtual", "-results", g.results}
	g.run(t, 0, nil, record...)
	g.run(t, 2, []string{`replay\.log, so there is nothing to replay; record the run: .*-record`}, "debug", latest, test, "-replay")
	g.run(t, 0, nil, append(record, "-record")...)
	g.run(t, 0, []string{`the guest has gone the same way, \d{4,} bytes of its console are equal`}, "debug", latest, test, "-replay")

	// The first failure stops this guest. Its log is whole nevertheless.
	faulty := filepath.Join(t.TempDir(), "faulty")
	g.run(t, 1, nil, "run", "-series", "control", "-patch", "docs/faults/sign.patch", "-run", `^timens\.TestTimerfd`, "-order", "source", "-lane", "virtual", "-results", faulty, "-record", "-fail-fast")
	g.run(t, 0, []string{`the guest has gone the same way`}, "debug", filepath.Join(faulty, "latest"), test, "-replay")

	cmd := g.command(t, "debug", latest, test, "-replay", "-gdb")
	var out said
	line, ended := out.gdb(t, cmd)
	gdb := exec.CommandContext(t.Context(), "sh", "-c", line+` -batch -ex "hbreak do_timens_ktime_to_host" -ex continue -ex delete -ex "watch -l ns_offsets->monotonic.tv_sec" -ex reverse-continue -ex "backtrace 2"`+
		` -ex delete -ex reverse-stepi -ex "hbreak start_kernel" -ex reverse-continue -ex kill`)
	gdb.Dir = g.root
	session, err := gdb.CombinedOutput()
	if err != nil {
		t.Errorf("gdb: %v", err)
	}
	<-ended
	if want := `(?s)Breakpoint \d+, do_timens_ktime_to_host .* in proc_timens_set_offset .*\n#1 .* in timens_offsets_write .*Breakpoint \d+, start_kernel `; !regexp.MustCompile(want).Match(session) {
		t.Errorf("gdb has not gone back:\n%s", session)
	}

	console := filepath.Join(latest, "virtual", "console.log")
	text, err := os.ReadFile(console)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(console, text, 0o644); err != nil {
		t.Fatal(err)
	}
	g.run(t, 4, []string{`the consoles differ from byte \d+ on; compare them: diff`}, "debug", latest, test, "-replay")
}
