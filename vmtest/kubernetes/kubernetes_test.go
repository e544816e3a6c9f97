// SPDX-License-Identifier: BSD-3-Clause

package kubernetes

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// some are n cells of a night that take some minutes each.
func some(n int, minutes float64) []cells.Line {
	var all []cells.Line
	for i := range n {
		all = append(all, cells.Line{ID: fmt.Sprintf("%v/%d", minutes, i), Night: "2026-11-27", Folder: "/srv/nights/nights/2026-11-27", Minutes: minutes, MemoryMB: 2048,
			Command: []string{"bin/vmtest", "cell", fmt.Sprint("cell ", i)}, Merge: []string{"bin/vmtest", "merge", "/srv/nights/nights/2026-11-27"}, Needs: cells.Needs{Cores: 2}})
	}
	return all
}

func place() Place {
	return Place{Root: "/srv/nights/checkout", Image: "registry.example.org/vmtest:1", Volumes: []Volume{{"nights", "/srv/nights"}}, User: 1000, Group: 100}
}

// written arranges cells and returns the folder with the files.
func written(t *testing.T, lines []cells.Line, p Place, throttle int, most Limits) string {
	t.Helper()
	dir := t.TempDir()
	b, err := Arrange(lines, p, throttle, most, []string{"--namespace=ci"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The manifests and the script that submits them are those in testdata: of two classes of cells,
// one of which needs KVM, with and without a shared cache.
func TestFiles(t *testing.T) {
	lines := append(some(3, 10), some(2, 100)...)
	for i := range lines[3:] {
		lines[3+i].MemoryMB, lines[3+i].Needs.KVM = 3072, true
	}
	shared := place()
	shared.Cache, shared.Volumes = "/srv/cache", append(shared.Volumes, Volume{"cache", "/srv/cache"})
	for name, p := range map[string]Place{"own": place(), "shared": shared} {
		dir := written(t, lines, p, 3, JobLimits)
		for _, file := range []string{jobsFile, mergeFile, SubmitFile} {
			got := strings.ReplaceAll(read(t, filepath.Join(dir, file)), dir, "/srv/nights/nights/2026-11-27/kubernetes")
			golden := filepath.Join("testdata", name+"-"+file)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); got != want {
				t.Errorf("%s is not %s: go test ./vmtest/kubernetes -update, and look at the difference\n%s", file, golden, got)
			}
		}
	}
}

// documents decodes a manifest.
func documents(t *testing.T, text string) []any {
	t.Helper()
	var all []any
	for in := yaml.NewDecoder(strings.NewReader(text)); ; {
		var one any
		err := in.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// schemaOfJob is that of Kubernetes for a Job, in which no member may be unknown.
func schemaOfJob(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("testdata/job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each manifest has only members that Kubernetes knows, with values of their types.
func TestManifestsFitSchema(t *testing.T) {
	schema := schemaOfJob(t)
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, the manifests are %v", err, files)
	}
	for _, path := range files {
		text := read(t, path)
		all := documents(t, text)
		if want := 1 + strings.Count(text, "\n---\n"); len(all) != want {
			t.Errorf("%s has %d documents, want %d", path, len(all), want)
		}
		for _, one := range all {
			if err := schema.Validate(one); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	// The schema finds what is wrong.
	text := read(t, "testdata/own-jobs.yaml")
	for old, bad := range map[string]string{
		"completions: ":           "completion: ",
		"completions: 3":          `completions: "3"`,
		"backoffLimitPerIndex: 2": "backoffLimitPerIndex: two",
		"claimName: ":             "claim: ",
		"operator: NotIn":         "operators: NotIn",
		"runAsUser: ":             "user: ",
		"env:":                    "environment:",
	} {
		wrong := strings.Replace(text, old, bad, 1)
		if wrong == text {
			t.Errorf("the manifest lacks %q", old)
		}
		if !slices.ContainsFunc(documents(t, wrong), func(one any) bool { return schema.Validate(one) != nil }) {
			t.Errorf("the schema takes %q", bad)
		}
	}
}

// jobsOf decodes the Jobs of a manifest. Members that the types do not have are an error.
func jobsOf(t *testing.T, path string) []job {
	t.Helper()
	var all []job
	in := yaml.NewDecoder(bytes.NewReader([]byte(read(t, path))))
	in.KnownFields(true)
	for {
		var j job
		err := in.Decode(&j)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, j)
	}
}

// A Job has no more completions and no more pods at the same time than Kubernetes allows. The
// throttle holds for all Jobs together. Cells of different size are in different Jobs.
func TestSplit(t *testing.T) {
	large := some(2, 10)
	for i := range large {
		large[i].ID, large[i].MemoryMB = fmt.Sprint("large/", i), 4096
	}
	for _, tc := range []struct {
		lines    []cells.Line
		throttle int
		most     Limits
		want     string
	}{
		{some(3, 10), 0, JobLimits, "3/3 3072Mi 3600s"},
		{some(3, 10), 2, JobLimits, "3/2 3072Mi 3600s"},
		{some(3, 10), 20, JobLimits, "3/3 3072Mi 3600s"},
		{append(some(3, 10), large...), 0, JobLimits, "3/3 3072Mi 3600s, 2/2 6144Mi 3600s"},
		{append(some(3, 10), large...), 1, JobLimits, "5/1 6144Mi 3600s"},
		{some(10, 10), 0, Limits{4, 100}, "4/4 3072Mi 3600s, 4/4 3072Mi 3600s, 2/2 3072Mi 3600s"},
		{some(10, 10), 0, Limits{100, 6}, "10/6 3072Mi 3600s"},
		{some(10, 10), 6, Limits{100, 6}, "10/6 3072Mi 3600s"},
		{some(10, 100), 0, JobLimits, "10/10 3072Mi 28800s"},
	} {
		var got []string
		for _, j := range jobsOf(t, filepath.Join(written(t, tc.lines, place(), tc.throttle, tc.most), jobsFile)) {
			got = append(got, fmt.Sprintf("%d/%d %s %ds", j.Spec.Completions, j.Spec.Parallelism, j.Spec.Template.Spec.Containers[0].Resources.Limits["memory"], j.Spec.Template.Spec.ActiveDeadlineSeconds))
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("%d cells, throttle %d, %+v: got %s, want %s", len(tc.lines), tc.throttle, tc.most, strings.Join(got, ", "), tc.want)
		}
	}
	if JobLimits != (Limits{100_000, 10_000}) {
		t.Errorf("the limits are %+v: is that what the API server checks?", JobLimits)
	}
}

// What cannot run is refused before a file is written, and the message says what to do.
func TestRefuses(t *testing.T) {
	change := func(f func(*Place)) Place {
		p := place()
		f(&p)
		return p
	}
	for _, tc := range []struct {
		place    Place
		lines    []cells.Line
		throttle int
		most     Limits
		want     string
	}{
		{place(), nil, 0, JobLimits, "there is no cell on standard input"},
		{change(func(p *Place) { p.Image = "" }), some(1, 1), 0, JobLimits, "give the image of the containers by -image"},
		{change(func(p *Place) { p.Volumes = nil }), some(1, 1), 0, JobLimits, "the folder of the night, /srv/nights/nights/2026-11-27, lies in no -volume, so that no pod could write to it"},
		{change(func(p *Place) { p.Volumes[0].Dir = "/srv/night" }), some(1, 1), 0, JobLimits, "lies in no -volume"},
		{change(func(p *Place) { p.Volumes = append(p.Volumes, Volume{"other", "/srv/nights"}) }), some(1, 1), 0, JobLimits, "two -volume flags name the folder /srv/nights"},
		{change(func(p *Place) { p.Cache = "/home/ann/.cache" }), some(1, 1), 0, JobLimits, "-cache /home/ann/.cache lies in no -volume, so that it would be lost with each pod"},
		{place(), some(10, 10), 2, Limits{4, 100}, "10 cells are 3 Jobs, as one has at most 4 completions, and each Job runs at least one cell; give -throttle 3 or more"},
		{place(), some(10, 10), 9, Limits{100, 6}, "-throttle 9 would run 9 pods of one Job at the same time, and a Job may have 6; give -throttle 6 or less"},
	} {
		if _, err := Arrange(tc.lines, tc.place, tc.throttle, tc.most, nil); blame.Of(err) != blame.User || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}

func TestParseVolume(t *testing.T) {
	if v, err := ParseVolume("my-nights.1:/srv/the nights/"); err != nil || v != (Volume{"my-nights.1", "/srv/the nights"}) {
		t.Errorf("%v, got %+v", err, v)
	}
	for text, want := range map[string]string{
		"/srv/nights":      "give the name of a PersistentVolumeClaim and the folder",
		"nights":           "give the name of a PersistentVolumeClaim and the folder",
		"nights:srv":       "give the name of a PersistentVolumeClaim and the folder",
		"Nights:/srv":      "give the name of a PersistentVolumeClaim and the folder",
		":/srv":            "give the name of a PersistentVolumeClaim and the folder",
		"nights:/srv/a:b":  "Kubernetes mounts no volume at a path with a colon",
		"nights:/srv/x:ro": "Kubernetes mounts no volume at a path with a colon",
	} {
		if _, err := ParseVolume(text); blame.Of(err) != blame.User || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// The name of a pod, which is that of the Job and the index, is at most 63 characters long,
// whatever the night is called.
func TestNames(t *testing.T) {
	for night, want := range map[string]string{
		"2026-11-27":             "2026-11-27",
		"2026-11-27-2":           "2026-11-27-2",
		"A Night_of.Mine!":       "a-night-of-mine",
		strings.Repeat("n", 100): strings.Repeat("n", longest),
	} {
		got := nameOf(night)
		if got != want {
			t.Errorf("%q: got %q, want %q", night, got, want)
		}
		if name := fmt.Sprintf("vmtest-%s-%d-abcde-%d", got, 1000, JobLimits.Completions-1); len(name) > 63 {
			t.Errorf("%q: the pod %s has a name of %d characters", night, name, len(name))
		}
	}
}

// A cell without a verdict is run again, twice at most. A red one, one that used more than it was
// granted, and one whose command was wrong are not. A pod whose node dies is run again, and does not
// count.
func TestFailurePolicy(t *testing.T) {
	dir := written(t, some(1, 10), place(), 0, JobLimits)
	spec := jobsOf(t, filepath.Join(dir, jobsFile))[0].Spec
	for _, tc := range []struct {
		exit      int
		disrupted bool
		want      string
	}{
		{1, false, "FailIndex"}, {2, false, "FailIndex"}, {3, false, "FailIndex"}, {137, false, "FailIndex"}, {ended, false, "FailIndex"},
		{4, false, "Count"}, {137, true, "Ignore"}, {4, true, "Ignore"}, {ended, true, "Ignore"},
	} {
		if got := actionFor(spec.PodFailurePolicy, tc.exit, tc.disrupted); got != tc.want {
			t.Errorf("exit code %d, disrupted %v: got %s, want %s", tc.exit, tc.disrupted, got, tc.want)
		}
	}
	if *spec.BackoffLimitPerIndex != 2 || spec.BackoffLimit != nil {
		t.Errorf("a cell is run again %d times, want 2; the limit of all together is %v, want none", *spec.BackoffLimitPerIndex, spec.BackoffLimit)
	}
	merge := jobsOf(t, filepath.Join(dir, mergeFile))[0].Spec
	if got := actionFor(merge.PodFailurePolicy, 1, false); got != "Count" || *merge.BackoffLimit != 0 || merge.Completions != 0 {
		t.Errorf("a red night: %s, and is judged again %d times", got, *merge.BackoffLimit)
	}
}

// actionFor is what Kubernetes does with a pod that failed: the action of the first rule that
// matches, else it counts the failure.
func actionFor(p failurePolicy, exit int, disrupted bool) string {
	for _, r := range p.Rules {
		switch {
		case r.OnExitCodes != nil && slices.Contains(r.OnExitCodes.Values, exit) == (r.OnExitCodes.Operator == "In"):
			return r.Action
		case disrupted && slices.Contains(r.OnPodConditions, podCondition{"DisruptionTarget", "True"}):
			return r.Action
		}
	}
	return "Count"
}
