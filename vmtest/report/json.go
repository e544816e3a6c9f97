// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"encoding/json"

	"timens-vmtest/vmtest/several"
	"timens-vmtest/vmtest/verdict"
)

// Schema is the version of report.json. It grows when a member is removed or gets another
// meaning. Members that are added do not change it.
const Schema = 1

// The types of report.json.
type (
	jsonRun struct {
		Schema        int               `json:"schema"`
		Verdict       verdict.Verdict   `json:"verdict"`
		Exit          int               `json:"exit"`
		Series        string            `json:"series"`
		Variant       string            `json:"variant,omitempty"`
		Base          string            `json:"base"`
		Origin        string            `json:"origin,omitempty"`
		Tree          *verdict.Tree     `json:"tree,omitempty"`
		Extra         []string          `json:"extra_patches"`
		LeftOut       []string          `json:"left_out,omitempty"` // options that were not requested from this tree, each with the reason
		Make          []string          `json:"make,omitempty"`
		NotStandard   []string          `json:"not_standard,omitempty"` // flags that changed the guest
		KernelRelease string            `json:"kernel_release"`
		KernelCached  bool              `json:"kernel_cached"`
		KernelStore   string            `json:"kernel_store,omitempty"` // that the kernel came from
		Warnings      []string          `json:"kernel_warnings"`
		DurationS     float64           `json:"duration_s"`
		Counts        map[string]int    `json:"counts"`
		Findings      []verdict.Finding `json:"findings"`
		Lanes         []jsonLane        `json:"lanes"`
		Coverage      *jsonCoverage     `json:"coverage,omitempty"`
		Order         *verdict.Order    `json:"order,omitempty"` // why some tests come first
	}
	jsonCoverage struct {
		Executed  int                   `json:"executed"`
		Countable int                   `json:"countable"`
		Floor     verdict.Floor         `json:"floor"`
		Missing   []verdict.MissingLine `json:"missing"`
		Uncounted map[string]int        `json:"uncounted"`
	}
	jsonLane struct {
		Lane      string          `json:"lane"`
		Accel     string          `json:"accel"`
		Shards    int             `json:"shards,omitempty"` // over how many guests the tests are split
		Boots     int             `json:"boots"`
		BootS     float64         `json:"boot_s"`
		DurationS float64         `json:"duration_s"`
		WaitedS   float64         `json:"waited_s"`
		Splats    []verdict.Splat `json:"splats"`
		Tests     []jsonTest      `json:"tests"`
	}
	jsonTest struct {
		Package   string         `json:"package"`
		Name      string         `json:"name"`
		Shard     int            `json:"shard,omitempty"` // the shard of the lane that runs it, from 1
		Status    verdict.Status `json:"status"`
		Expected  verdict.Status `json:"expected"`
		Mended    bool           `json:"mended,omitempty"` // older kernels are known to fail it
		New       bool           `json:"new,omitempty"`    // older kernels are known to lack what it is about
		DurationS float64        `json:"duration_s"`
		LatenessS *float64       `json:"lateness_s,omitempty"`
		Note      string         `json:"note,omitempty"`
		Telling   []string       `json:"telling,omitempty"`
		Output    string         `json:"output,omitempty"`      // only of a test that was not as expected; a long output lacks its middle
		File      string         `json:"output_file,omitempty"` // file in the run's folder that has the whole output
		Trace     string         `json:"trace_file,omitempty"`  // file in the run's folder that has what ftrace recorded
	}
	jsonRuns struct {
		Schema  int             `json:"schema"`
		Verdict verdict.Verdict `json:"verdict"`
		Exit    int             `json:"exit"`
		Runs    []jsonRun       `json:"runs"`
	}
)

// JSON returns the report.json of one run.
func JSON(r verdict.Result) ([]byte, error) { return marshal(toJSON(r)) }

// CombinedJSON returns the report.json of several runs.
func CombinedJSON(runs several.Runs) ([]byte, error) {
	all := jsonRuns{Schema: Schema, Verdict: runs.Verdict(), Exit: runs.Verdict().ExitCode()}
	for _, r := range runs.Results {
		all.Runs = append(all.Runs, toJSON(r))
	}
	return marshal(all)
}

func marshal(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

func toJSON(r verdict.Result) jsonRun {
	j := jsonRun{
		Schema: Schema, Verdict: r.Verdict, Exit: r.Verdict.ExitCode(),
		Series: r.Run.Series, Variant: r.Run.Variant, Base: r.Run.Base, Origin: r.Run.Origin, Tree: r.Run.Tree, Extra: list(r.Run.Extra), LeftOut: r.Run.LeftOut, Make: r.Run.Make, NotStandard: r.Run.NotStandard, KernelRelease: r.Run.Release,
		KernelCached: r.Run.KernelCached, KernelStore: r.Run.KernelStore, Warnings: list(r.Run.KernelWarning),
		DurationS: r.DurationS(),
		Counts:    make(map[string]int),
		Findings:  list(r.Findings),
		Lanes:     []jsonLane{},
		Order:     r.Run.Order,
	}
	if c := r.Coverage; c != nil {
		j.Coverage = &jsonCoverage{c.Executed, c.Countable, c.Floor, list(c.Missing), c.Uncounted}
	}
	n := r.Counts()
	for s := verdict.Missing; s <= verdict.Timeout; s++ {
		j.Counts[s.String()] = n[s]
	}
	for _, l := range r.Lanes {
		lane := jsonLane{
			Lane: l.Lane, Accel: l.Accel, Shards: l.Shards, Boots: l.Boots, BootS: l.BootS, DurationS: l.DurationS, WaitedS: l.WaitedS,
			Splats: list(l.Splats), Tests: []jsonTest{},
		}
		for _, t := range l.Tests {
			lane.Tests = append(lane.Tests, toJSONTest(l, t))
		}
		j.Lanes = append(j.Lanes, lane)
	}
	return j
}

func toJSONTest(l verdict.LaneResult, t verdict.TestResult) jsonTest {
	j := jsonTest{
		Package: t.Package, Name: t.Name, Shard: t.Shard, Status: t.Status, Expected: t.Expected, Mended: t.Mended, New: t.New, DurationS: t.DurationS, LatenessS: t.LatenessS,
		Note: t.Note, Telling: t.Telling, File: outputPath(l, t), Trace: tracePath(l, t),
	}
	if !t.AsExpected() {
		j.Output = bounded(t.Output, j.File)
	}
	return j
}

// list returns an empty list for nil, so that JSON has [] and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
