// SPDX-License-Identifier: BSD-3-Clause

// Vmtest applies a series of patches to a kernel, builds it, boots it in QEMU,
// runs Go selftests in it, and judges.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/vmtest/flags"
	"timens-vmtest/vmtest/progress"
	"timens-vmtest/vmtest/report"
	"timens-vmtest/vmtest/run"
	"timens-vmtest/vmtest/worker"
)

// verb is one command of vmtest.
type verb struct {
	name, args, about string

	register []func(*app, *flag.FlagSet)
	run      func(context.Context, *app, []string) (int, error)
}

var (
	kernelFlags      = (*app).registerKernel
	buildFlag        = (*app).RegisterBuild
	baseFlags        = (*app).registerBase
	suiteFlags       = (*app).RegisterSuites
	testFlags        = (*app).RegisterTests
	bootFlags        = (*app).RegisterBoot
	guestFlags       = (*app).RegisterGuest
	guestFileFlags   = (*app).RegisterGuestFiles
	gdbFlags         = (*app).RegisterGDB
	vmcoreFlags      = (*app).RegisterVmcore
	traceFlags       = (*app).RegisterTrace
	debugFlags       = (*app).registerDebug
	runFlags         = (*app).registerRun
	trailersFlag     = (*app).RegisterTrailers
	seriesCheckFlags = (*app).registerSeriesCheck
	presubmitFlags   = (*app).registerPresubmit
	resultsFlags     = (*app).RegisterResults
	verboseFlags     = (*app).RegisterVerbose
	matrixFlags      = (*app).registerMatrix
	planFlags        = (*app).registerPlan
	endFlags         = (*app).registerEnd
	jobsFlag         = (*app).registerJobs
	nightFlag        = (*app).registerNight
	throttleFlag     = (*app).registerThrottle
	slurmFlags       = (*app).registerSlurm
	mailsFlags       = (*app).registerMails
	kubernetesFlags  = (*app).registerKubernetes
	historyFlags     = (*app).registerNights
	cacheFlags       = (*app).registerCacheSize
	pruneFlags       = (*app).registerPrune
)

type registrars = []func(*app, *flag.FlagSet)

// verbs are all there are. Help and completion are made of this table.
func verbs() []verb {
	return []verb{
		{"run", "", "apply, build, boot, test, judge", registrars{kernelFlags, buildFlag, suiteFlags, testFlags, bootFlags, guestFlags, gdbFlags, vmcoreFlags, traceFlags, resultsFlags, runFlags, verboseFlags}, runVerb},
		{"compare", "", "run the plan of a series without and with it, and class every test", registrars{kernelFlags, suiteFlags, testFlags, bootFlags, resultsFlags, verboseFlags}, compareVerb},
		{"presubmit", "[SERIES...]", "all that a maintainer will ask: every patch, all tests without and with the series, the lines that they run", registrars{suiteFlags, testFlags, bootFlags, presubmitFlags}, presubmitVerb},
		{"map", "", "record which functions of the kernel each test reaches, so that run knows which tests to run first", registrars{kernelFlags}, mapVerb},
		{"kernel", "", "build the kernel only and print its path", registrars{kernelFlags, buildFlag}, kernelVerb},
		{"initramfs", "", "build the initramfs only and list its tests", registrars{suiteFlags, testFlags, outFlag}, initramfsVerb},
		{"nightly", "", "run a night: all series on all bases, commands and mutants; say what changed since the last, and what broke it", registrars{historyFlags, matrixFlags, suiteFlags, testFlags, bootFlags, planFlags, endFlags, jobsFlag}, nightlyVerb},
		{"cells", "", "print the cells of a night, a line of JSON each, for whatever runs them; with -out DIR the night begins", registrars{historyFlags, matrixFlags, suiteFlags, testFlags, bootFlags, planFlags, endFlags}, cellsVerb},
		{"cell", "CELL", "run one cell into the folder of a night, where its folder appears complete or not at all", registrars{nightFlag, matrixFlags, suiteFlags, testFlags, bootFlags}, cellVerb},
		{"merge", "DIR", "judge the cells in the folder of a night, wherever they ran; with -out DIR end the night", registrars{historyFlags, matrixFlags, suiteFlags, testFlags, bootFlags, endFlags}, mergeVerb},
		{"slurm", "[-- SBATCH OPTION...]", "submit the cells that \"vmtest cells -out DIR\" prints to a Slurm cluster, and a job that merges them", registrars{throttleFlag, slurmFlags}, slurmVerb},
		{"kubernetes", "[-- KUBECTL OPTION...]", "write Indexed Jobs of the cells that \"vmtest cells -out DIR\" prints, and the script that submits and merges them", registrars{throttleFlag, kubernetesFlags}, kubernetesVerb},
		{"history", "TEST|CELL", "print the nights of a test or a cell", registrars{historyFlags}, historyVerb},
		{"judge", "DIR", "judge what a run, comparison, check or presubmit left in DIR again", nil, judgeVerb},
		{"shell", "[-- COMMAND ARG...]", "boot the kernel into a shell, or run one command in it and exit with its code", registrars{kernelFlags, buildFlag, suiteFlags, bootFlags, guestFlags, gdbFlags, vmcoreFlags, traceFlags, guestFileFlags}, shellVerb},
		{"debug", "RESULTS [TEST] [-- COMMAND ARG...]", "boot the guest of a stored run up to a test, and open a shell before it or where it fails", registrars{debugFlags, gdbFlags, vmcoreFlags, guestFileFlags}, debugVerb},
		{"series list", "", "list the series that there are, and with -base which variants apply", registrars{baseFlags}, seriesListVerb},
		{"series show", "SERIES", "list a series' patches and what they change; of a mailbox, also what is left out", registrars{trailersFlag, baseFlags}, seriesShowVerb},
		{"series check", "[SERIES...]", "hold every patch to the rules: form, apply, checkpatch, build, boot", registrars{suiteFlags, testFlags, bootFlags, seriesCheckFlags}, seriesCheckVerb},
		{"series new", "NAME [DIR]", "start a series: an empty one, and a git tree for its commits (default DIR: linux-NAME)", registrars{baseFlags}, seriesNewVerb},
		{"series edit", "NAME [DIR]", "make a git tree with the series as commits (default DIR: linux-NAME)", registrars{baseFlags}, seriesEditVerb},
		{"series export", "NAME [DIR]", "write the commits of such a tree back as patches; with -mbox, write the patches of a series as mails to be sent", registrars{baseFlags, mailsFlags}, seriesExportVerb},
		{"cache list", "", "list what is kept in the cache, and when it was last used (\"vmtest cache\" is short for it)", registrars{cacheFlags}, cacheListVerb},
		{"cache prune", "", "remove from the cache what was not used for the longest time, until it is not larger than -cache-size", registrars{pruneFlags}, cachePruneVerb},
		{"completion", "bash", "print a script that completes verbs, flags and their values", nil, completionVerb},
		{"version", "", "print what this program is made of, and what it runs", nil, versionVerb},
	}
}

// app is what every verb works with: the flags that make a Request, and those of some
// verbs alone.
type app struct {
	flags.Command
	progress *progress.Progress
	github   *github

	bisect    bool
	keepGoing bool
	steps     flags.List
	out       string
	nights    nights
	jobs      jobs
	submit    submission
	debug     debugging
	mails     mails
	cacheSize sizeFlag // 0 for no limit, and of a verb without the flag
	pruneAll  bool
}

func main() {
	if os.Args[0] == sandbox.Name {
		sandbox.Enter()
	}
	// Caught to the end: a second Ctrl-C must not cut off what the first began.
	ends := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as it is under nohup
			ends = append(ends, s)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	// A reader that goes away ("vmtest run | head") is an error of that write.
	// Uncaught, it would end us with no report; ignored, our children would ignore
	// it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(dispatch(ctx, os.Args[1:]))
}

// dispatch runs a verb and turns whatever comes of it into an exit code.
func dispatch(ctx context.Context, args []string) int {
	if list, ok := asksList(args); ok {
		usage(os.Stdout, list)
		return 0
	}
	bisect := asksBisect(args)
	if bisect {
		// A panic would exit 2, which git takes for a bad commit: in whatever
		// goroutine, it ends us by SIGABRT instead.
		debug.SetTraceback("crash")
	}
	a := &app{progress: progress.New(), github: new(github)}
	if slices.Equal(args, []string{"cache"}) {
		args = []string{"cache", "list"}
	}
	if args = slices.Clone(args); len(args) > 0 && slices.Contains([]string{"-version", "--version"}, args[0]) {
		args[0] = "version"
	}
	code, err := a.dispatch(ctx, args)
	if err != nil {
		if p, ok := errors.AsType[*worker.Panic](err); ok && bisect {
			panic(p)
		}
		err = run.Interrupted(ctx, err)
		party := blame.Of(err)
		if code = party.ExitCode(); party == blame.Host {
			err = a.Host.Advise(err)
		}
		a.progress.Clear()
		v, _, _ := verbOf(args)
		name := strings.TrimSpace("vmtest " + v.name)
		fmt.Fprintf(a.github.and(os.Stderr), "%s: %v\n", name, err)
		a.github.tell(report.Annotation{Level: report.Error, Title: name, Text: err.Error()})
	}
	a.github.end(code)
	if a.bisect || bisect && code == blame.User.ExitCode() {
		return bisectCode(code, ctx.Err() != nil)
	}
	return code
}

// dispatch runs the verb that the arguments begin with.
func (a *app) dispatch(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 {
		usage(os.Stderr, "")
		return blame.User.ExitCode(), nil
	}
	if groups := verbsOf(args[0]); len(args) == 1 && len(groups) > 0 { // "series" alone
		usage(os.Stderr, args[0])
		return blame.User.ExitCode(), nil
	}
	v, rest, ok := verbOf(args)
	if !ok {
		return 0, unknownVerb(args)
	}
	return v.start(ctx, a, rest)
}

// asksList says that the verbs are to be listed: all, or those that begin with a word.
func asksList(args []string) (word string, ok bool) {
	if len(args) > 1 && len(verbsOf(args[0])) > 0 {
		word, args = args[0], args[1:]
	}
	return word, len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0])
}

// verbsOf are the verbs of two words that begin with this one.
func verbsOf(word string) []verb {
	return slices.DeleteFunc(verbs(), func(v verb) bool { return !strings.HasPrefix(v.name, word+" ") })
}

// asksBisect looks for -bisect in all arguments: the flag package stops at the
// first that is wrong, and does not see one that comes after.
func asksBisect(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		name, value, _ := strings.Cut(arg, "=")
		on, err := strconv.ParseBool(value)
		return (name == "-bisect" || name == "--bisect") && (on || err != nil) // no value is an error, too
	})
}

// bisectCode is what "git bisect run" is to be told: 125 makes it skip the commit,
// and all above 127 end it. Else it would blame some commit for Ctrl-C or for a
// wrong flag.
func bisectCode(code int, stopped bool) int {
	switch {
	case stopped:
		return 128 + int(syscall.SIGINT) // as a shell says it
	case code == blame.User.ExitCode():
		return 129 // git's own for wrong usage
	case code == blame.Kernel.ExitCode(), code == blame.Host.ExitCode():
		return 125
	}
	return code
}

// called says whether the arguments begin with the verb's name, of one word or
// two, and what is left of them.
func (v verb) called(args []string) (rest []string, ok bool) {
	words := strings.Fields(v.name)
	if len(args) < len(words) || !slices.Equal(args[:len(words)], words) {
		return nil, false
	}
	return args[len(words):], true
}

func (v verb) start(ctx context.Context, a *app, args []string) (int, error) {
	names, err := a.parse(v, args)
	if errors.Is(err, flag.ErrHelp) {
		v.help(os.Stdout)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if v.args == "" && len(names) > 0 {
		if v.flagSet(new(app)).Lookup("series") != nil {
			return 0, blame.Usagef("unexpected argument %q; if it is a series, write -series %s", names[0], names[0])
		}
		return 0, blame.Usagef("unexpected argument %q; flags begin with a dash", names[0])
	}
	defer a.Close() // it is of no use, and names nothing of the user's
	if v.needsProject() {
		if err := a.stand(ctx, names); err != nil {
			return 0, err
		}
	}
	if v.reports() {
		a.github.begin("vmtest " + v.name)
	}
	code, err := v.run(ctx, a, names)
	if v.needsProject() {
		a.prune(ctx)
	}
	return code, err
}

// stand makes ready what every stage stands on. names are the arguments of the verb.
func (a *app) stand(ctx context.Context, names []string) error {
	kept, err := cache.DefaultCache()
	if err != nil {
		return err
	}
	if a.Checkout.Root, err = moduleRoot(); err != nil {
		return err
	}
	if err := a.Check(a.Checkout.Root); err != nil {
		return err
	}
	a.Host = host.Host{Cache: kept, Report: a.progress, Results: a.Results, Store: a.Store}
	if err := a.ReadPiped(ctx, os.Stdin, names); err != nil {
		return err
	}
	return a.Confine(ctx)
}

// needsProject says that the verb works in a checkout of ours: a stored run is
// judged anywhere, for example.
func (v verb) needsProject() bool {
	return !slices.Contains([]string{"judge", "history", "cache list", "cache prune", "completion", "version"}, v.name)
}

// reports says that the verb runs tests, and that others want to know what it has found.
func (v verb) reports() bool {
	return slices.Contains([]string{"run", "compare", "presubmit", "series check", "nightly", "cell", "merge"}, v.name)
}

// usage lists the verbs, or those that begin with a word.
func usage(w io.Writer, word string) {
	list := verbs()
	if word != "" {
		list = verbsOf(word)
	}
	fmt.Fprintln(w, "usage: vmtest", strings.TrimSpace(word+" VERB [flags]"))
	for _, v := range list {
		fmt.Fprintf(w, "  %-24s %s\n", strings.TrimSpace(v.name+" "+v.args), v.about)
	}
	if word == "" || word == "series" {
		fmt.Fprintln(w, "SERIES is a name in kernel/patches/, a variant NAME/RELEASE of one, or the path of a folder, a mailbox or a patch.")
	}
	fmt.Fprintf(w, "\"vmtest %s\" lists the flags of a verb.\n", strings.TrimSpace(word+" VERB -h"))
	fmt.Fprintln(w, "exit codes: 0 as expected, 1 not as expected, 2 usage, 3 the kernel did not build, 4 could not be judged")
}

// moduleRoot finds this project's folder: around the working folder, else
// around the program itself, so that it can be run from within a kernel tree.
func moduleRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, dir := range []string{wd, filepath.Dir(self)} {
		for d := dir; ; d = filepath.Dir(d) {
			text, err := os.ReadFile(filepath.Join(d, "go.mod"))
			if err == nil && strings.HasPrefix(string(text), "module timens-vmtest\n") {
				return d, nil
			}
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	return "", blame.Usagef("neither %s nor %s is inside a checkout of timens-vmtest, whose tests and series are needed; cd there first", wd, self)
}
