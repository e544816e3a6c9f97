// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timens-vmtest/vmtest/report"
)

// Each night leaves its figures, a line for each cell that measured some. Pruning keeps them.
func TestFiguresOfNight(t *testing.T) {
	w, out := newWorld(t), t.TempDir()
	j := w.job(out, &teller{})
	j.Cells = append(j.Cells, Cell{Name: "canary", Command: []string{"make", "canary"}})
	for day := range wholeNights + 1 {
		w.clock.now = first.AddDate(0, 0, day)
		if _, err := j.Night(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, nightsDir, "2026-09-01", report.BenchFile))
	lines := regexp.MustCompile(`(?m)^BenchmarkVmtest/base=tree/series=s/config=(default|debug)/lane=(real|virtual) 1 [\d.]+ boot-sec [\d.]+ duration-sec$`).FindAll(text, -1)
	if err != nil || len(lines) != 3 || strings.Contains(string(text), "canary") {
		t.Errorf("%v, the figures are\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(out, nightsDir, "2026-09-01", "tree/s/default/real/console.log")); err == nil {
		t.Error("nothing was pruned")
	}
}

