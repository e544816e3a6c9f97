// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"timens-vmtest/internal/host/hosttest"
	"timens-vmtest/internal/retest"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/progress"
	"timens-vmtest/vmtest/run"
)

// reads says what each verb reads: members of its Request, and flags that say how the
// verb itself goes on. A flag that sets nothing of these would be ignored.
var reads = map[string][]string{
	"run": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Prebuilt", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Shards", "Accel", "Coverage", "Forget", "Order", "FailFast", "Verbose",
		"Guest", "BreakPatch", "Vmcore", "Trace", "Record", "-sandbox", "-results", "-bisect", "-jobs"},
	"compare":      {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Shards", "Accel", "Verbose", "-sandbox", "-results"},
	"presubmit":    {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Shards", "Accel", "-sandbox", "-results", "-keep-going", "-jobs"},
	"series check": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Shards", "Accel", "-sandbox", "-results", "-keep-going", "-steps", "-jobs"},
	"kernel":       {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Prebuilt", "-sandbox"},
	"map":          {"Base", "-cache-size", "-store", "Series", "Config", "Make", "-sandbox"},
	"initramfs":    {"Design", "Tests", "Match", "Timeout", "-o"},
	"shell":        {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Prebuilt", "Design", "Tests", "Accel", "Guest", "BreakPatch", "Vmcore", "Trace", "With", "Share", "-sandbox"},
	"nightly": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Accel", "-sandbox",
		"-out", "-commands", "-cells", "-budget", "-search", "-tries", "-keep", "-notify", "-jobs"},
	"cells": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Accel", "-sandbox",
		"-out", "-commands", "-cells", "-budget", "-search", "-tries", "-keep", "-notify"},
	"cell": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Accel", "-sandbox", "-out", "-commands"},
	"merge": {"Base", "-cache-size", "-store", "Series", "Config", "Make", "Design", "Tests", "Match", "Timeout", "Long", "Lanes", "Accel", "-sandbox",
		"-out", "-commands", "-search", "-tries", "-keep", "-notify"},
	"slurm":         {"-n", "-throttle"},
	"kubernetes":    {"-image", "-volume", "-cache", "-throttle"},
	"debug":         {"Lanes", "Guest", "BreakPatch", "Vmcore", "-dump", "-replay", "-at", "-count", "-until-fail", "-alone", "-now", "With", "Share", "-sandbox", "-cache-size", "-store"},
	"history":       {"-out"},
	"series new":    {"Base", "-cache-size"},
	"series edit":   {"Base", "-cache-size"},
	"series export": {"Base", "-cache-size", "Series", "-results", "-mbox", "-author", "-reroll"},
	"series list":   {"Base", "-cache-size"},
	"series show":   {"Series", "Base", "-cache-size"},
	"cache list":    {"-cache-size"},
	"cache prune":   {"-cache-size", "-all"},
}

// tried is what a flag is tried with: flags that it goes with, and itself.
type tried struct {
	with, itself []string
	series       string // that the verb is given, however it takes one; "": the default
}

func triedFlags(t *testing.T) map[string]tried {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := copyTree("testdata/tree", tree); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) []byte {
		cmd := exec.Command("git", append([]string{"-C", tree, "-c", "user.name=U", "-c", "user.email=u@example.org"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %q: %v", args, err)
		}
		return out
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "base")
	if err := os.WriteFile(filepath.Join(tree, "main.c"), []byte("int main(void) { return 7; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git("commit", "-qam", "main: Return seven")
	patch := filepath.Join(dir, "x.patch")
	if err := os.WriteFile(patch, git("format-patch", "--stdout", "-1"), 0o644); err != nil {
		t.Fatal(err)
	}
	mailbox := filepath.Join(dir, "x.mbox")
	mails := bytes.Replace(git("format-patch", "--stdout", "-1"), []byte("\nSubject:"), []byte("\nMessage-ID: <1@x>\nSubject:"), 1)
	mails = append(mails, "\nFrom mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: A <a@example.org>\nIn-Reply-To: <1@x>\nSubject: Re: x\n\nAcked-by: A <a@example.org>\n"...)
	if err := os.WriteFile(mailbox, mails, 0o644); err != nil {
		t.Fatal(err)
	}
	all := map[string]tried{
		"trailers": {itself: []string{"-trailers"}, series: mailbox},

		"record":      {with: []string{"-lane", "virtual"}, itself: []string{"-record"}},
		"break-patch": {with: []string{"-gdb"}, itself: []string{"-break-patch"}},

		"range":  {with: []string{"-tree", tree}, itself: []string{"-range", "HEAD~1..HEAD"}},
		"sha256": {with: []string{"-tarball", "file:///x"}, itself: []string{"-sha256", strings.Repeat("0", 64)}},
	}
	configBase := filepath.Join(dir, "my.config")
	if err := os.WriteFile(configBase, []byte("CONFIG_MINE=y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	built := hosttest.Folder(t, map[string]string{"vmlinux": "", ".config": "", "include/config/kernel.release": "", "Kconfig": ""})
	for _, args := range [][]string{
		{"-build", built}, {"-base", "7.3"}, {"-series", "control"}, {"-patch", patch}, {"-tree", tree}, {"-tarball", "file:///x"}, {"-sandbox", "off"}, {"-sandbox-limits", "time=2h"}, {"-config", "debug"}, {"-config-base", configBase}, {"-make", "W=1"},
		{"-run", "Timerfd"}, {"-tests", "tests/timens"}, {"-design", "none"}, {"-timeout", "5m"}, {"-accel", "tcg"}, {"-lane", "virtual"}, {"-shards", "2"},
		{"-long", "48h"}, {"-results", dir}, {"-coverage"}, {"-forget"}, {"-order", "source"}, {"-fail-fast"}, {"-bisect"}, {"-v"}, {"-keep-going"}, {"-steps", "form"}, {"-o", dir + "/x"}, {"-cache-size", "500MB"}, {"-all"},
		{"-out", dir}, {"-commands", patch}, {"-jobs", "3"}, {"-throttle", "5"}, {"-n"}, {"-image", "golang"}, {"-volume", "nights:/srv"}, {"-cache", dir}, {"-cells", "^tree/"}, {"-budget", "4h"}, {"-search", "0"}, {"-tries", "3"}, {"-keep", "7"}, {"-notify", "cat"},
		{"-mbox", "x"}, {"-author", "A <a@example.org>"}, {"-reroll", "2"}, {"-gdb"}, {"-vmcore=elf"}, {"-trace", "patch"}, {"-dump"}, {"-replay"}, {"-at", "fail"}, {"-count", "3"}, {"-until-fail"}, {"-alone"}, {"-now"},
		{"-store", dir},
		{"-smp", "4"}, {"-memory", "1G"}, {"-append", "quiet"}, {"-qemu-arg", "-S"}, {"-with", "true"}, {"-share", dir},
	} {
		name, _, _ := strings.Cut(args[0][1:], "=")
		all[name] = tried{itself: args}
	}
	return all
}

// asked is what a verb makes of its flags: its Request, and how it goes on.
func asked(t *testing.T, v verb, series string, args []string) map[string]any {
	t.Helper()
	a := &app{progress: progress.New()}
	a.Host.Report, a.Host.Sandbox.Off = a.progress, true // the patches are ours
	if _, err := a.parse(v, args); err != nil {
		t.Fatalf("%s %q: %v", v.name, args, err)
	}
	if series != "" {
		a.Series = flags.List{series}
	}
	var err error
	if a.Checkout.Root, err = filepath.Abs(".."); err != nil {
		t.Fatal(err)
	}
	if err := a.Check(a.Checkout.Root); err != nil {
		t.Fatalf("%s %q: %v", v.name, args, err)
	}
	reqs, err := a.Unchecked(t.Context())
	if err != nil {
		t.Fatalf("%s %q: %v", v.name, args, err)
	}
	req := reqs[0]
	all := map[string]any{"-sandbox": fmt.Sprint(a.Sandbox, a.Bounds), "-results": a.Results, "-bisect": a.bisect, "-keep-going": a.keepGoing, "-o": a.out, "-steps": a.steps,
		"-cache-size": a.cacheSize, "-store": a.Store.String(), "-all": a.pruneAll,
		"-at": a.debug.at, "-dump": a.debug.dump, "-replay": a.debug.replay, "-count": a.debug.count, "-until-fail": a.debug.untilFail, "-alone": a.debug.alone, "-now": a.debug.now,
		"-out": a.nights.dir, "-commands": a.nights.commands, "-jobs": a.jobs, "-throttle": a.submit.throttle, "-mbox": a.mails.mbox, "-author": a.mails.author, "-reroll": a.mails.version, "-n": a.submit.only, "-image": a.submit.image, "-volume": a.submit.volumes, "-cache": a.submit.cache, "-cells": a.nights.cells, "-budget": a.nights.budget, "-search": a.nights.search, "-tries": a.nights.tries, "-keep": a.nights.keep, "-notify": a.nights.notify}
	members := reflect.ValueOf(req)
	for i := range members.NumField() {
		if f := members.Type().Field(i); f.IsExported() && f.Name != "Command" {
			all[f.Name] = members.Field(i).Interface()
		}
	}
	return all
}

// Every flag of every verb changes something that the verb reads.
func TestEveryFlagCounts(t *testing.T) {
	known, seen := triedFlags(t), make(map[string]bool)
	for _, v := range verbs() {
		asks := make(map[string]map[string]any) // most flags are compared with no flag at all
		v.flagSet(new(app)).VisitAll(func(f *flag.Flag) {
			try, ok := known[f.Name]
			if !ok {
				t.Errorf("the flag -%s of %s is not tried; add it to triedFlags", f.Name, v.name)
				return
			}
			seen[f.Name] = true
			key := fmt.Sprint(try.series, try.with)
			without, ok := asks[key]
			if !ok {
				without = asked(t, v, try.series, try.with)
				asks[key] = without
			}
			with := asked(t, v, try.series, slices.Concat(try.with, try.itself))
			for _, name := range reads[v.name] {
				if !reflect.DeepEqual(without[name], with[name]) {
					return
				}
			}
			t.Errorf("vmtest %s ignores -%s", v.name, f.Name)
		})
	}
	for name := range known {
		if !seen[name] {
			t.Errorf("no verb has the flag -%s, which is tried", name)
		}
	}
	for name, members := range reads {
		for _, m := range members {
			if _, ok := reflect.TypeFor[run.Request]().FieldByName(m); !ok && known[m[1:]].itself == nil {
				t.Errorf("%s reads %s, which there is not", name, m)
			}
		}
	}
}

// A cell that runs elsewhere is made by the flags that the list was made by: each flag comes back,
// and so do those of what comes behind the cells.
func TestCellFlags(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	known := triedFlags(t)
	v := verbNamed(t, "merge") // it has all flags of cell, too
	v.flagSet(new(app)).VisitAll(func(f *flag.Flag) {
		if f.Name == "out" {
			return
		}
		a := &app{progress: progress.New()}
		a.Checkout.Root = root
		args := slices.Concat(known[f.Name].with, known[f.Name].itself)
		if _, err := a.parse(v, args); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		again := slices.Concat(a.matrixFlags(), a.endFlags())
		want, got := asked(t, v, "", args), asked(t, v, "", again)
		for _, member := range reads[v.name] {
			if !reflect.DeepEqual(want[member], got[member]) {
				t.Errorf("%q becomes %q: of %s it makes %v, want %v", args, again, member, got[member], want[member])
			}
		}
		if len(again) == 0 {
			t.Errorf("%q becomes nothing", args)
		}
	})
}

// A path is one that holds in the folder of the checkout. A name stays a name.
func TestPlaces(t *testing.T) {
	root := hosttest.Folder(t, map[string]string{"a.patch": "", "mine/series": "", "my/kconfig/x.config": "", "outside.patch": ""})
	a := &app{}
	a.Checkout.Root = filepath.Join(root, "my")
	t.Chdir(root)
	for _, tc := range []struct {
		of         func(string) string
		path, want string
	}{
		{a.place, "my/kconfig", "./kconfig"}, // "kconfig" would be a name
		{a.place, "my/kconfig/x.config", "kconfig/x.config"},
		{a.place, "mine", filepath.Join(root, "mine")},
		{a.placeSeries, "timens-offset", "timens-offset"},
		{a.placeSeries, "timens-offset/7.3", "timens-offset/7.3"},
		{a.placeSeries, "./mine", filepath.Join(root, "mine")},
		{a.placeSeries, "outside.patch", filepath.Join(root, "outside.patch")},
		{a.placeConfig, "debug", "debug"},
		{a.placeConfig, "my/kconfig/x.config", "kconfig/x.config"},
	} {
		if got := tc.of(tc.path); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.path, got, tc.want)
		}
	}
}

// Flags may stand before and behind names, up to "--". A value that is missing, empty
// or given twice is refused.
func TestParse(t *testing.T) {
	check := verbNamed(t, "series check")
	for line, want := range map[string]string{
		"a -keep-going b":          "[a b] [-keep-going]",
		"-run x a":                 "[a] [-run x]",
		"a -run=x":                 "[a] [-run=x]",
		"--run x":                  "[] [--run x]",
		"a -- -run":                "[a -run] []",
		"-":                        "[-] []",
		"-tests a -tests b,c":      "[] [-tests a -tests b,c]",
		"-run":                     `-run needs a value; "vmtest series check -h" says which`,
		"-run=":                    "-run has an empty value; leave the flag out, or give one",
		"-run x -run y":            "-run is given twice, and takes one value",
		"-keep-going=maybe":        `invalid boolean value "maybe" for -keep-going: parse error`,
		"-timeout soon":            `invalid value "soon" for flag -timeout: parse error`,
		"-keepgoing":               `there is no flag -keepgoing; did you mean -keep-going? "vmtest series check -h" lists the flags`,
		"-forget":                  `there is no flag -forget, but "vmtest run" has it. "vmtest series check -h" lists the flags`,
		"-xyzzy":                   `there is no flag -xyzzy; "vmtest series check -h" lists the flags`,
		"-h":                       flag.ErrHelp.Error(),
		"a --help":                 flag.ErrHelp.Error(),
		"---run x":                 `there is no flag --run; did you mean -run? "vmtest series check -h" lists the flags`,
		"-keep-going -keep-going":  "-keep-going is given twice, and takes one value",
		"-keep-going=false a -v=1": `there is no flag -v, but "vmtest run" has it. "vmtest series check -h" lists the flags`,
	} {
		a := &app{}
		names, err := a.parse(check, strings.Fields(line))
		got := fmt.Sprint(names, a.Given)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", line, got, want)
		}
	}
}

func verbNamed(t *testing.T, name string) verb {
	t.Helper()
	for _, v := range verbs() {
		if v.name == name {
			return v
		}
	}
	t.Fatalf("there is no verb %s", name)
	return verb{}
}

// The script that "vmtest completion bash" prints completes verbs, flags and values,
// in a bash as a user has it.
func TestBashCompletion(t *testing.T) {
	retest.IfChanged(t, "..", "kconfig", "kernel", "tests")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"vmtest pre":                          "presubmit",
		"vmtest series e":                     "edit export",
		"vmtest run -la":                      "-lane",
		"vmtest run -lane ":                   "real virtual both",
		"vmtest run -lane real -accel k":      "kvm",
		"vmtest run -shards ":                 "auto",
		"vmtest run -lane = r":                "real",
		"vmtest run -lane =":                  "real virtual both",
		"vmtest series check -steps form,app": "form,applies",
		"vmtest run -series in":               "inline-ns inline-ns/6.12 inline-ns/7.3",
		"vmtest run -series control,ti":       "control,timens-offset control,timens-offset/6.12 control,timens-offset/7.3",
		"vmtest run -config deb":              "debug",
		"vmtest run -design n":                "namespaces none",
		"vmtest run -tests tests/cl":          "tests/clone3",
		"vmtest series edit na":               "namespaces namespaces/6.12 namespaces/7.3",
		"vmtest series edit namespaces/7":     "namespaces/7.3",
		"vmtest series edit -tarball x na":    "namespaces namespaces/6.12 namespaces/7.3",
		"vmtest series edit namespaces na":    "",
		"vmtest presubmit control -keep":      "-keep-going",
		"vmtest presubmit control timens-":    "timens-offset timens-offset/6.12 timens-offset/7.3",
		"vmtest shell -run":                   "",
		"vmtest nonsuch ":                     "",
		"vmtest completion b":                 "bash",
		"vmtest run -tree ":                   "",
		"vmtest run -keep-going -bisect -res": "-results",
	} {
		const script = `cd "$2" && source <(vmtest completion bash) || exit
			read -ra COMP_WORDS <<<"$1"
			case $1 in *" ") COMP_WORDS+=("") ;; esac
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			complete -p vmtest >/dev/null && _vmtest && echo "${COMPREPLY[*]}"`
		out, err := exec.Command("bash", "--norc", "-c", script, "bash", line, root).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
}
