// SPDX-License-Identifier: BSD-3-Clause

// Package kubernetes hands the cells of a night to Kubernetes: it arranges them as Indexed Jobs,
// and writes their manifest, the scripts that their pods run, and a script that submits them and
// afterwards a Job that judges the night. It talks to no cluster.
package kubernetes

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/cells"
)

// Limits are those of one Job.
type Limits struct {
	Completions int // pods that have to succeed or fail
	Parallelism int // pods at the same time
}

// JobLimits are those that the API server checks in an Indexed Job with backoffLimitPerIndex: a Job
// with more than 10^5 completions needs maxFailedIndexes, which would end a night after 10^4 cells
// that fail. A Job with at most 10^5 completions may have as many pods at the same time. Above 10^4
// the controller warns that it may lose count of them.
var JobLimits = Limits{Completions: 100_000, Parallelism: 10_000}

// Place is where the pods run.
type Place struct {
	Root    string   // folder of the checkout
	Image   string   // of the container, which has Go, the compilers and QEMU
	Volumes []Volume // one of them has the folder of the night
	Cache   string   // folder for the cache, in a volume; "": each pod has an empty one
	User    int      // whose files these are
	Group   int
}

// Volume is a claim for a volume, and the folder at which all pods see it.
type Volume struct{ Claim, Dir string }

var claimRE = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// ParseVolume reads "CLAIM:DIR".
func ParseVolume(text string) (Volume, error) {
	claim, dir, _ := strings.Cut(text, ":")
	switch {
	case !claimRE.MatchString(claim) || !filepath.IsAbs(dir):
		return Volume{}, blame.Usagef("-volume %s: give the name of a PersistentVolumeClaim and the folder at which this machine sees the volume, such as nights:/srv/nights", text)
	case strings.Contains(dir, ":"):
		return Volume{}, blame.Usagef("-volume %s: Kubernetes mounts no volume at a path with a colon", text)
	}
	return Volume{claim, filepath.Clean(dir)}, nil
}

// has reports whether a folder lies in the volume.
func (v Volume) has(folder string) bool {
	rel, err := filepath.Rel(v.Dir, folder)
	return err == nil && filepath.IsLocal(rel)
}

// volumeOf returns the number of the volume in which a folder lies; -1: none.
func (p Place) volumeOf(folder string) int {
	for i, v := range p.Volumes {
		if v.has(folder) {
			return i
		}
	}
	return -1
}

// check refuses a place in which the night's pods cannot run.
func (p Place) check(night cells.Line) error {
	if p.Image == "" {
		return blame.Usagef("give the image of the containers by -image; it needs Go, the packages of \"make deps\", and what -volume does not have of the checkout")
	}
	seen := make(map[string]bool)
	for _, v := range p.Volumes {
		if seen[v.Dir] {
			return blame.Usagef("two -volume flags name the folder %s", v.Dir)
		}
		seen[v.Dir] = true
	}
	if p.volumeOf(night.Folder) < 0 {
		return blame.Usagef("the folder of the night, %s, lies in no -volume, so that no pod could write to it; give the claim of the volume by -volume CLAIM:DIR", night.Folder)
	}
	if p.Cache != "" && p.volumeOf(p.Cache) < 0 {
		return blame.Usagef("-cache %s lies in no -volume, so that it would be lost with each pod; give the claim of its volume by -volume CLAIM:DIR, or leave out -cache", p.Cache)
	}
	return nil
}

// Batch is what is submitted for the cells of one night.
type Batch struct {
	Folder string // of the night
	Jobs   []cells.Array
	files  []file
}

// file is a file of a Batch. It names others by their paths in the folder dir.
type file struct {
	name string
	text func(dir string) (string, error)
}

// Names of the files.
const (
	jobsFile   = "jobs.yaml"
	mergeFile  = "merge.yaml"
	SubmitFile = "submit.sh"
)

// Arrange makes the files for the cells of a night. throttle is how many cells run at the same
// time; 0: as many as the cluster has room for. options are for each call of kubectl.
func Arrange(lines []cells.Line, p Place, throttle int, most Limits, options []string) (Batch, error) {
	if err := cells.CheckNight(lines); err != nil {
		return Batch{}, err
	}
	night := lines[0]
	if err := p.check(night); err != nil {
		return Batch{}, err
	}
	all := cells.Arrange(lines, throttle, most.Completions)
	if throttle > 0 && len(all) > throttle {
		return Batch{}, blame.Usagef("%d cells are %d Jobs, as one has at most %d completions, and each Job runs at least one cell; give -throttle %d or more", len(lines), len(all), most.Completions, len(all))
	}
	for i, a := range all {
		if a.AtOnce > most.Parallelism {
			return Batch{}, blame.Usagef("-throttle %d would run %d pods of one Job at the same time, and a Job may have %d; give -throttle %[3]d or less", throttle, a.AtOnce, most.Parallelism)
		}
		if a.AtOnce == 0 {
			all[i].AtOnce = most.Parallelism
		}
		all[i].AtOnce = min(all[i].AtOnce, len(a.Lines))
	}
	b := Batch{Folder: night.Folder, Jobs: all}
	for i, a := range all {
		b.files = append(b.files, file{jobScript(i), func(string) (string, error) { return runOne(a, p.Root), nil }})
	}
	b.files = append(b.files,
		file{mergeScript, func(dir string) (string, error) { return judge(night, p.Root, dir), nil }},
		file{jobsFile, func(dir string) (string, error) {
			var jobs []job
			for i, a := range all {
				jobs = append(jobs, p.indexed(a, dir, i))
			}
			return manifest(fmt.Sprintf("\"vmtest kubernetes\" wrote this file. It runs %d cells of the night %s.", len(lines), night.Night), jobs...)
		}},
		file{mergeFile, func(dir string) (string, error) {
			return manifest(fmt.Sprintf("\"vmtest kubernetes\" wrote this file. It judges the night %s.", night.Night), p.merging(night, dir))
		}},
		file{SubmitFile, func(dir string) (string, error) { return submission(night, dir, options), nil }})
	return b, nil
}

// Write writes the files into the folder dir.
func (b Batch) Write(dir string) error {
	for _, f := range b.files {
		text, err := f.text(dir)
		if err != nil {
			return err
		}
		if err := cache.WriteFile(filepath.Join(dir, f.name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// mergeScript is the script that judges.
const mergeScript = "merge.sh"

// jobScript is the name of the script that the pods of a Job run.
func jobScript(i int) string { return "job-" + strconv.Itoa(i+1) + ".sh" }

// ended is the exit code of a pod that was told to end. It is not that of a cell without a verdict,
// which is run again.
const ended = 143

// runOne writes the script that runs the cell of a pod.
func runOne(a cells.Array, root string) string {
	return fmt.Sprintf(`#!/bin/sh
# "vmtest kubernetes" wrote this script. It runs %d cells of the night %s, one in each pod.
%s# A pod that is told to end, because it is over its limits, says so by an exit code of its own:
# that of a cell without a verdict would run it again.
trap 'kill -TERM $!; wait $!; exit %d' TERM
"$@" &
wait $!
`, len(a.Lines), a.Lines[0].Night, a.Choose(root, "JOB_COMPLETION_INDEX"), ended)
}

// judge writes the script that judges the night.
func judge(l cells.Line, root, dir string) string {
	return fmt.Sprintf(`#!/bin/sh
# "vmtest kubernetes" wrote this script. It judges the night %s.
export GOMAXPROCS=%d
cd %s || exit 4
exec %s >%s 2>&1
`, l.Night, cells.GrantOf(l).Cores, shell.Quote(root), shell.Quote(l.Merge...), shell.Quote(filepath.Join(dir, "merge.txt")))
}

// submission writes the script that submits the Jobs, waits until all have ended, and submits the
// one that judges.
func submission(l cells.Line, dir string, options []string) string {
	kubectl := shell.Quote(append([]string{"kubectl"}, options...)...)
	return fmt.Sprintf(`#!/bin/sh
# "vmtest kubernetes" wrote this script. It submits the night %s, waits until its Jobs have ended,
# however they have ended, and submits the Job that judges.
jobs=$(%[2]s create -o name -f %[3]s) || {
	test -z "$jobs" || %[2]s delete $jobs
	exit 4
}
echo "submitted" $jobs
for job in $jobs; do
	# A Job that was deleted has no state. One that cannot be asked for is asked for again.
	until state=$(%[2]s get --ignore-not-found -o 'jsonpath=:{.status.conditions[*].type}' "$job") &&
		case $state in "" | *Complete* | *Failed*) ;; *) false ;; esac; do
		sleep 10
	done
done
exec %[2]s create -f %[4]s
`, l.Night, kubectl, shell.Quote(filepath.Join(dir, jobsFile)), shell.Quote(filepath.Join(dir, mergeFile)))
}
