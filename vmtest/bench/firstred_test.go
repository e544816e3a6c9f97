// SPDX-License-Identifier: BSD-3-Clause

package bench

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"timens-vmtest/internal/wire"
)

// firstReds is how many mutants BenchmarkFirstRed tries. They are spread evenly over the
// list.
const firstReds = 48

// BenchmarkFirstRed measures how soon a run of both lanes shows the first failure, for
// mutants of the series control. The floor is the sum of: make of the edited file, one bare
// boot, and the time that the test takes that fails first. The tests are in the order that
// the map gives; what is known of the mutants themselves is not used. Record a map of the
// series control before.
func BenchmarkFirstRed(b *testing.B) {
	w := newWorld(b)
	patches := w.mutants("control")
	dir := filepath.Join(w.tmp, "red")
	args := []string{"-series", "control", "-order", "reached", "-accel", "tcg", "-results", dir}
	w.do(w.vmtest(w.userCache, "run", args...)) // the kernel that the mutants are compared with
	boot := w.bareBoot(filepath.Join(dir, "latest", wire.Real))
	src, out := filepath.Join(w.tmp, "src"), filepath.Join(w.tmp, "out")
	w.do(exec.Command("cp", "-al", w.base, src))
	w.copyConfig(out)
	w.do(w.make(src, out))
	var ours, floors, ratios []float64
	before := ""
	for _, patch := range patches {
		cmd := w.vmtest(w.userCache, "run", append(slices.Clone(args), "-patch", patch, "-forget", "-fail-fast", "-v")...)
		red, after := w.firstRed(cmd, filepath.Join(dir, "latest"))
		if before != "" { // both builds go from mutant to mutant
			w.do(exec.Command("git", "-C", src, "apply", "-R", before))
		}
		w.do(exec.Command("git", "-C", src, "apply", patch))
		before = patch
		made := w.do(w.make(src, out))
		if red.test == "" {
			b.Logf("%s: no test was shown as red", filepath.Base(patch))
			continue
		}
		floor := (made + w.do(boot()) + red.own).Seconds()
		ours, floors, ratios = append(ours, after.Seconds()), append(floors, floor), append(ratios, after.Seconds()/floor)
		b.Logf("%s: %.1f s until %s, the floor is %.1f s, of which its own time is %.2f s", filepath.Base(patch), after.Seconds(), red.test, floor, red.own.Seconds())
	}
	if len(ours) < 40 {
		b.Fatalf("%d mutants were shown as red, want 40 and more", len(ours))
	}
	for _, m := range []struct {
		values []float64
		unit   string
	}{{ours, "s/red"}, {floors, "s/floor"}, {ratios, "x/floor"}} {
		b.ReportMetric(median(m.values), m.unit)
		b.ReportMetric(m.values[len(m.values)*9/10], "p90-"+m.unit) // median has sorted them
	}
	b.ReportMetric(0, "ns/op") // hides the time of all rounds together
}

// mutants writes the patches of a series' mutants that a test has to notice, and returns the
// paths of firstReds of them.
func (w *world) mutants(series string) []string {
	program, dir := filepath.Join(w.tmp, "mutants"), filepath.Join(w.root, "bin", "first-red") // a patch from elsewhere would be built elsewhere
	if err := os.RemoveAll(dir); err != nil {
		w.b.Fatal(err)
	}
	for _, args := range [][]string{{"go", "build", "-o", program, "./tests/mutants"}, {program, "-base", *baseName, "-series", series, "-o", dir}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = w.root
		w.do(cmd)
	}
	all, err := filepath.Glob(filepath.Join(dir, series, "*.patch"))
	if err != nil || len(all) < firstReds {
		w.b.Fatalf("there are %d patches of mutants, %v", len(all), err)
	}
	var some []string
	for i := range firstReds {
		some = append(some, all[i*len(all)/firstReds])
	}
	return some
}

// red is the first failure that a run shows.
type red struct {
	test  string
	lane  string
	at    time.Time
	own   time.Duration // how long the test took
	first bool          // it is the first test of its lane, and own begins with the boot
}

// shown reads what "vmtest run -v" prints, up to the first failure. The zero value is ready.
type shown struct {
	ends map[string][]time.Time // by lane: when it began to boot, and when each test ended
	red  red
}

var (
	bootLine = regexp.MustCompile(`^vmtest: boot \d+ tests in QEMU, lane (\w+) `)
	endLine  = regexp.MustCompile(`^vmtest: (\w+) \S+\.Test\w+ ended, `)
	redLine  = regexp.MustCompile(`^vmtest: (real|virtual) (?:splat during )?(\S+\.Test\w+): `)
)

// take takes a line that was printed at a time. The line of a failure comes behind the one
// that says that its test has ended.
func (s *shown) take(line string, now time.Time) {
	if s.red.test != "" {
		return
	}
	if m := bootLine.FindStringSubmatch(line); m != nil {
		if s.ends == nil {
			s.ends = make(map[string][]time.Time)
		}
		s.ends[m[1]] = []time.Time{now}
	} else if m := endLine.FindStringSubmatch(line); m != nil {
		s.ends[m[1]] = append(s.ends[m[1]], now)
	} else if m := redLine.FindStringSubmatch(line); m != nil {
		ends := s.ends[m[1]]
		s.red = red{test: m[2], lane: m[1], at: now, first: len(ends) == 2}
		if n := len(ends); n > 1 {
			s.red.own = ends[n-1].Sub(ends[n-2])
		}
	}
}

func TestShown(t *testing.T) {
	begin := time.Unix(1e9, 0)
	for what, tc := range map[string]struct {
		lines string
		want  red
	}{
		"nothing is red": {"boot 2 tests in QEMU, lane real (tcg);real p.TestA ended, exit status 0, after 0.10 s", red{}},
		"the second": {
			"boot 2 tests in QEMU, lane real (tcg);real p.TestA ended, exit status 0, after 0.10 s;real p/386.TestB | text: p.TestC: fail;real p/386.TestB ended, exit status 1, after 0.10 s;real p/386.TestB: fail;real p.TestC: fail",
			red{"p/386.TestB", "real", begin.Add(4 * time.Second), 2 * time.Second, false},
		},
		"the first of one lane": {
			"boot 2 tests in QEMU, lane real (tcg);boot 2 tests in QEMU, lane virtual (tcg);virtual p.TestA ended, exit status 0, after 9.10 s;real p.TestA ended, exit status 0, after 0.10 s;real splat during p.TestA: WARNING",
			red{"p.TestA", "real", begin.Add(4 * time.Second), 3 * time.Second, true},
		},
	} {
		var s shown
		for i, line := range strings.Split(tc.lines, ";") {
			s.take("vmtest: "+line, begin.Add(time.Duration(i)*time.Second))
		}
		if s.red != tc.want {
			t.Errorf("%s: got %+v, want %+v", what, s.red, tc.want)
		}
	}
}

// firstRed runs a command, which fails, and returns the first failure that it shows, and
// after which time. latest is the folder of its run. The test of the result is empty if none
// is shown.
func (w *world) firstRed(cmd *exec.Cmd, latest string) (red, time.Duration) {
	pipe, err := cmd.StderrPipe()
	if err != nil {
		w.b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		w.b.Fatal(err)
	}
	var s shown
	var all []string
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		all = append(all, lines.Text())
		s.take(lines.Text(), time.Now())
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		w.b.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, strings.Join(all, "\n"))
	}
	if s.red.first {
		s.red.own -= w.bootTime(filepath.Join(latest, s.red.lane))
	}
	return s.red, s.red.at.Sub(began)
}

// bootTime returns how long a guest took until it reported.
func (w *world) bootTime(lane string) time.Duration {
	text, err := os.ReadFile(filepath.Join(lane, wire.ExitFile))
	if err != nil {
		w.b.Fatal(err)
	}
	var exit wire.Exit
	if err := json.Unmarshal(text, &exit); err != nil {
		w.b.Fatal(err)
	}
	return time.Duration(exit.BootS * float64(time.Second))
}
