// SPDX-License-Identifier: BSD-3-Clause

package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"timens-vmtest/internal/wire"
)

var shardTests = flag.String("shard-tests", "", "`REGEXP` of the tests that BenchmarkShards runs (default all)")

// BenchmarkShards runs the tests of a lane in 1, 2, 4 and 8 guests, on the unpatched kernel. For
// each number of guests it prints the CPU time of all guests as a ratio to that of one guest, and
// the critical path as a ratio to the ideal: the CPU time of one guest divided by the number, and
// one boot. The critical path is the CPU time of the guest that has the most. For these two the
// guests run one after the other, split as for a machine that has a CPU for each of theirs: the
// CPUs of a machine slow each other, so that guests side by side take more CPU time for the same
// work. So neither depends on how many CPUs the machine has. For the wall time, which it prints as
// a ratio, too, all guests run once more, side by side.
func BenchmarkShards(b *testing.B) {
	for _, lane := range []string{wire.Real, wire.Virtual} {
		b.Run(lane, func(b *testing.B) {
			w := newWorld(b)
			s := w.newSharding(lane)
			s.run(1, inTurn) // vmtest learns how long the tests take
			boot := s.run(1, inTurn, "-tests", "tests/canary", "-run", "TestPass$").total
			one := s.run(1, inTurn)
			b.ReportMetric(one.wall, "s/wall-1")
			b.ReportMetric(one.total, "s/cpu-1")
			b.ReportMetric(boot, "s/boot")
			for _, n := range []int{2, 4, 8} {
				c := s.run(n, inTurn)
				b.ReportMetric(c.total/one.total, fmt.Sprintf("cpu-%d/cpu-1", n))
				b.ReportMetric(c.path/(one.total/float64(n)+boot), fmt.Sprintf("path-%d/ideal", n))
				b.ReportMetric(s.run(n, sideBySide).wall/one.wall, fmt.Sprintf("wall-%d/wall-1", n))
			}
			b.ReportMetric(0, "ns/op") // hides the time of all rounds together
		})
	}
}

// cost is what a run cost, in seconds: wall time, CPU time of all its guests, and CPU time on the
// critical path.
type cost struct{ wall, total, path float64 }

// sharding runs one lane in a QEMU that says how much CPU time each guest took.
type sharding struct {
	*world
	lane string
	cpu  string // folder with a file for each guest: seconds of user and of system time
}

// The ways in which the guests of a lane run. Each names a folder with a QEMU.
const (
	inTurn     = "in-turn"
	sideBySide = "side-by-side"
)

// countingQEMU is a script around QEMU. Its arguments are a file that a guest locks as long as it
// runs, the path of QEMU and the folder for the times. The lower descriptors are files that vmtest
// gives QEMU. A guest that is killed with the script leaves no time.
const countingQEMU = `#!/bin/bash
exec 62>"%s"
flock 62
shard=0
[[ $* =~ vmtest\.shard=([0-9]+) ]] && shard=${BASH_REMATCH[1]}
TIMEFORMAT='%%3U %%3S'
{ time setpriv --pdeathsig KILL %q "$@" 2>&63 62>&-; } 63>&2 2>%q/$shard-$$
`

func (w *world) newSharding(lane string) sharding {
	w.b.Helper()
	s := sharding{world: w, lane: lane, cpu: filepath.Join(w.tmp, "cpu")}
	const name = "qemu-system-x86_64"
	qemu, err := exec.LookPath(name)
	if err != nil {
		w.b.Fatal(err)
	}
	for bin, lock := range map[string]string{inTurn: filepath.Join(w.tmp, "turn"), sideBySide: filepath.Join(w.tmp, "turn-$$")} {
		dir := filepath.Join(w.tmp, bin)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, countingQEMU, lock, qemu, s.cpu), 0o755); err != nil {
			w.b.Fatal(err)
		}
	}
	return s
}

// run runs the lane in n guests, in one of the ways above.
func (s sharding) run(n int, way string, more ...string) cost {
	s.b.Helper()
	if err := os.RemoveAll(s.cpu); err != nil {
		s.b.Fatal(err)
	}
	if err := os.MkdirAll(s.cpu, 0o755); err != nil {
		s.b.Fatal(err)
	}
	dir := filepath.Join(s.tmp, "shards")
	args := []string{"-series", "control", "-lane", s.lane, "-accel", "tcg", "-order", "source",
		"-timeout", "5m", // eight guests of two CPUs each may have to share two
		"-shards", strconv.Itoa(n), "-results", dir}
	if len(more) == 0 && *shardTests != "" {
		args = append(args, "-run", *shardTests)
	}
	cmd := s.vmtest(s.userCache, "run", append(args, more...)...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(s.tmp, way)+":"+os.Getenv("PATH"))
	if way == inTurn {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=64")
	}
	s.do(cmd)
	return s.cost(filepath.Join(dir, "latest", s.lane))
}

// cost reads what a run cost, whose lane has this folder.
func (s sharding) cost(lane string) cost {
	s.b.Helper()
	var report struct {
		Lanes []struct {
			DurationS float64 `json:"duration_s"`
		}
	}
	var plan wire.Plan
	read(s.b, filepath.Join(filepath.Dir(lane), "report.json"), &report)
	read(s.b, filepath.Join(lane, wire.PlanFile), &plan)
	files, err := os.ReadDir(s.cpu)
	if err != nil || len(report.Lanes) != 1 || len(files) < max(1, len(plan.Shards[s.lane])) {
		s.b.Fatalf("the times of %d guests in %d lanes, %v; want %d or more in one", len(files), len(report.Lanes), err, max(1, len(plan.Shards[s.lane])))
	}
	c, each := cost{wall: report.Lanes[0].DurationS}, make(map[string]float64)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(s.cpu, f.Name()))
		if err != nil {
			s.b.Fatal(err)
		}
		var user, system float64
		if _, err := fmt.Sscan(string(text), &user, &system); err != nil {
			s.b.Fatalf("%s: %q: %v", f.Name(), text, err)
		}
		c.total += user + system
		shard, _, _ := strings.Cut(f.Name(), "-")
		each[shard] += user + system
		c.path = max(c.path, each[shard])
	}
	return c
}

// read reads JSON from a file.
func read(b *testing.B, path string, into any) {
	b.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		b.Fatal(err)
	}
}
