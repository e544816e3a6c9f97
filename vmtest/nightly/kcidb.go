// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/vmtest/history"
)

// KCIDBFile is the name of the file for KCIDB, in the folder of a night.
const KCIDBFile = "kcidb.json"

// origin names us in KCIDB. Its form is [a-z0-9_]+.
const origin = "timens_vmtest"

// The types of KCIDB's format, version 5.3. It allows no other members, and no null.
type (
	kcidb struct {
		Version   kcidbVersion    `json:"version"`
		Checkouts []kcidbCheckout `json:"checkouts,omitempty"`
		Builds    []kcidbBuild    `json:"builds,omitempty"`
		Tests     []kcidbTest     `json:"tests,omitempty"`
		Issues    []kcidbIssue    `json:"issues,omitempty"`
		Incidents []kcidbIncident `json:"incidents,omitempty"`
	}
	kcidbVersion struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
	}
	kcidbCheckout struct {
		ID           string `json:"id"`
		Origin       string `json:"origin"`
		TreeName     string `json:"tree_name,omitempty"`
		CommitHash   string `json:"git_commit_hash,omitempty"`
		PatchsetHash string `json:"patchset_hash"`
		Comment      string `json:"comment,omitempty"`
		Valid        bool   `json:"valid"`
	}
	kcidbBuild struct {
		CheckoutID   string `json:"checkout_id"`
		ID           string `json:"id"`
		Origin       string `json:"origin"`
		Architecture string `json:"architecture"`
		Compiler     string `json:"compiler,omitempty"`
		ConfigName   string `json:"config_name,omitempty"`
		Status       string `json:"status"`
		LogExcerpt   string `json:"log_excerpt,omitempty"`
	}
	kcidbTest struct {
		BuildID     string           `json:"build_id"`
		ID          string           `json:"id"`
		Origin      string           `json:"origin"`
		Path        string           `json:"path"`
		Status      string           `json:"status"`
		Number      *kcidbNumber     `json:"number,omitempty"`
		Environment kcidbEnvironment `json:"environment"`
		StartTime   string           `json:"start_time,omitempty"`
		Duration    float64          `json:"duration,omitempty"`
		LogExcerpt  string           `json:"log_excerpt,omitempty"`
	}
	kcidbNumber struct {
		Value float64 `json:"value"`
		Unit  string  `json:"unit"`
	}
	kcidbEnvironment struct {
		Comment string `json:"comment"`
	}
	kcidbIssue struct {
		ID      string       `json:"id"`
		Version int          `json:"version"`
		Origin  string       `json:"origin"`
		Culprit kcidbCulprit `json:"culprit"`
		Comment string       `json:"comment"`
	}
	kcidbCulprit struct {
		Code    bool `json:"code"`
		Tool    bool `json:"tool"`
		Harness bool `json:"harness"`
	}
	kcidbIncident struct {
		ID           string `json:"id"`
		Origin       string `json:"origin"`
		IssueID      string `json:"issue_id"`
		IssueVersion int    `json:"issue_version"`
		TestID       string `json:"test_id,omitempty"`
		BuildID      string `json:"build_id,omitempty"`
		Present      bool   `json:"present"`
	}
)

// maxExcerpt is how long a log_excerpt may be.
const maxExcerpt = 16384

// KCIDB returns a night in the format of KCIDB 5.3. Cells that run commands, and those that did
// not run, are not in it: they have no kernel.
func KCIDB(h history.History, night string) ([]byte, error) {
	n, _ := h.Night(night)
	k := kcidb{Version: kcidbVersion{5, 3}}
	for _, c := range n.Cells {
		if c.Stage != history.StageNone && strings.Count(c.Name, "/") == 3 {
			k.add(n, c)
		}
	}
	for _, s := range h.States(night) {
		if f := s.Finding; f != nil && f.Culprit != "" && s.Outcome == history.Bad {
			k.blame(n, *f)
		}
	}
	text, err := json.MarshalIndent(k, "", "  ")
	return append(text, '\n'), err
}

// id returns an ID of ours, which is as long as the parts differ.
func id(parts ...string) string {
	sum := fnv.New128a()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:%s", len(p), p)
	}
	return origin + ":" + hex.EncodeToString(sum.Sum(nil))
}

func checkoutID(in history.Inputs) string {
	return id("checkout", in.Base, in.Commit, fmt.Sprint(in.Patches))
}

func buildID(n history.Night, c history.Cell) string { return id("build", n.Name, kernelOf(c.Name)) }

func testID(n history.Night, cell, test string) string { return id("test", n.Name, cell, test) }

// kernelOf returns the name of a cell without its lane: both lanes run one kernel.
func kernelOf(cell string) string { return cell[:strings.LastIndexByte(cell, '/')] }

// add adds a cell. Two lanes of one kernel share its build.
func (k *kcidb) add(n history.Night, c history.Cell) {
	words := strings.Split(c.Name, "/")
	if out := (kcidbCheckout{ID: checkoutID(c.Inputs), Origin: origin, TreeName: words[0], CommitHash: c.Inputs.Commit, PatchsetHash: patchsetHash(c.Inputs.Patches),
		Comment: strings.TrimSpace(c.Inputs.Base + " with the series " + words[1]), Valid: true}); !slices.Contains(k.Checkouts, out) {
		k.Checkouts = append(k.Checkouts, out)
	}
	b := kcidbBuild{CheckoutID: checkoutID(c.Inputs), ID: buildID(n, c), Origin: origin, Architecture: "x86_64", Compiler: c.Inputs.Toolchain, ConfigName: words[2], Status: "PASS"}
	if c.Stage == history.StageBuild {
		b.Status, b.LogExcerpt = "FAIL", excerpt(c.Trouble)
	}
	if !slices.ContainsFunc(k.Builds, func(other kcidbBuild) bool { return other.ID == b.ID }) {
		k.Builds = append(k.Builds, b)
	}
	if c.Stage == history.StageBuild {
		return
	}
	where := kcidbEnvironment{Comment: "QEMU, lane " + words[3] + ": " + c.Inputs.QEMU}
	boot := kcidbTest{BuildID: b.ID, ID: testID(n, c.Name, ""), Origin: origin, Path: "boot", Status: "PASS", Environment: where, StartTime: c.Began, LogExcerpt: excerpt(strings.Join(c.Faults, "\n"))}
	if c.Outcome("") != history.Good {
		boot.Status = "FAIL"
	}
	k.Tests = append(k.Tests, boot)
	for _, t := range c.Tests {
		k.Tests = append(k.Tests, kcidbTest{BuildID: b.ID, ID: testID(n, c.Name, t.Name), Origin: origin, Path: path(t.Name), Status: status(c, t), Environment: where,
			StartTime: c.Began, Duration: t.DurationS, LogExcerpt: excerpt(strings.Join(t.Telling, "\n"))})
	}
	for _, name := range []string{history.BootS, history.DurationS, history.LatenessS, history.VmlinuxBytes} {
		if v, ok := c.Figures[name]; ok {
			what, unit, _ := cutLast(name, "_")
			k.Tests = append(k.Tests, kcidbTest{BuildID: b.ID, ID: testID(n, c.Name, "figure "+name), Origin: origin, Path: "figures." + what, Status: "DONE",
				Number: &kcidbNumber{v, unit}, Environment: where, StartTime: c.Began})
		}
	}
}

func cutLast(text, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

// patchsetHash is the SHA-256 of the digests of the patches, a line each; empty without patches.
func patchsetHash(patches []history.Digest) string {
	if len(patches) == 0 {
		return ""
	}
	text := ""
	for _, p := range patches {
		text += p.SHA256 + "\n"
	}
	return DigestOf("", []byte(text)).SHA256
}

var notInPath = regexp.MustCompile(`[^a-zA-Z0-9_.-]`)

// path returns the path of a test in KCIDB: "timens/386.TestX" is timens.386.TestX there.
func path(test string) string {
	return notInPath.ReplaceAllString(strings.ReplaceAll(test, "/", "."), "_")
}

// status returns KCIDB's word for what became of a test. One that did what was expected passed.
func status(c history.Cell, t history.Test) string {
	splat := slices.ContainsFunc(c.Splats, func(s history.Splat) bool { return s.Test == t.Name && s.Allowed == "" })
	switch {
	case t.Status == "missing":
		return "MISS"
	case t.Status == "skip":
		return "SKIP"
	case t.AsExpected():
		return "PASS"
	case !splat && (t.Status == "crash" || t.Status == "timeout"):
		return "ERROR"
	}
	return "FAIL"
}

// blame adds the culprit of a failure as an issue, once, and the failure as an incident.
func (k *kcidb) blame(n history.Night, f history.Finding) {
	ours := strings.HasPrefix(f.Culprit, "our tests") || strings.HasPrefix(f.Culprit, "tests:")
	tool := strings.HasPrefix(f.Culprit, "toolchain:") || strings.HasPrefix(f.Culprit, "QEMU:")
	issue := kcidbIssue{ID: id("issue", f.Culprit, f.FirstBad), Version: 1, Origin: origin, Culprit: kcidbCulprit{Code: !ours && !tool, Tool: tool, Harness: ours}, Comment: f.Culprit}
	incident := kcidbIncident{ID: id("incident", issue.ID, n.Name, f.Cell, f.Test), Origin: origin, IssueID: issue.ID, IssueVersion: 1, Present: true}
	test := testID(n, f.Cell, f.Test)
	cell, _ := n.Cell(f.Cell)
	switch {
	case slices.ContainsFunc(k.Tests, func(t kcidbTest) bool { return t.ID == test }):
		incident.TestID = test
	case strings.Count(f.Cell, "/") == 3 && cell.Stage == history.StageBuild:
		incident.BuildID = buildID(n, cell)
	default:
		return // of a command
	}
	if !slices.Contains(k.Issues, issue) {
		k.Issues = append(k.Issues, issue)
	}
	k.Incidents = append(k.Incidents, incident)
}

func excerpt(text string) string { return strings.ToValidUTF8(text[:min(maxExcerpt, len(text))], "") }
