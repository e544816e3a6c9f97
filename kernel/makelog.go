package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// makeLog keeps what make prints, in a file and in memory: on a full disk the
// file lacks the very line that says so.
type makeLog struct {
	file *os.File
	err  error // of the file; make goes on without it
	text []byte
}

func (l *makeLog) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if l.err == nil {
		_, l.err = l.file.Write(p)
	}
	return len(p), nil
}

var (
	compilerError = regexp.MustCompile(`(?m)^\S+:\d+(:\d+)?: (fatal )?error: |^\S*ld: |undefined reference to |^ERROR: `)
	nextMessage   = regexp.MustCompile(`^make(\[\d+\])?: |^  [A-Z]+ +\S+$|^\S+:\d+(:\d+)?: (fatal )?(error|warning): `)
	warningLine   = regexp.MustCompile(`(?m)^\S+:\d+(:\d+)?: warning: .*$`)
	killedLine    = regexp.MustCompile(`(?m)^.*(Killed signal terminated program|Cannot allocate memory|virtual memory exhausted).*$`)
	unitName      = regexp.MustCompile(`^(?:(?:In file included|\s+) from )?(?:\S*/src/)?(\S+?)\.[cS]:`)
	objectLine    = regexp.MustCompile(`^  (?:CC|AS) +(\S+)`)
)

// firstError is the first message of a compiler or linker in a log of make,
// with the lines that belong to it; the end of the log if there is none.
func firstError(log []byte) string {
	at := compilerError.FindIndex(log)
	if at == nil {
		return tail(log, 20)
	}
	begin := bytes.LastIndexByte(log[:at[0]], '\n') + 1
	lines := strings.Split(string(log[begin:]), "\n")
	for i, line := range lines {
		if i > 0 && (i == 20 || nextMessage.MatchString(line)) {
			return strings.Join(lines[:i], "\n")
		}
	}
	return strings.Join(lines, "\n")
}

// hostFault is the error of a make that ended for another reason than what it
// was to build: the host had no room, no memory or no patience. Nil: the source
// is to blame. out is where make wrote.
func hostFault(ctx context.Context, stage string, err error, log []byte, out string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if full := diskFull(log, "make", out); full != nil {
		return full
	}
	if ours, ok := errors.AsType[*fs.PathError](err); ok {
		return ours
	}
	if killed := killedLine.Find(log); killed != nil {
		return fmt.Errorf("%s: the compiler was killed or had no memory left: %s; make some free and try again", stage, killed)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return fmt.Errorf("%s: make did not run to its end: %w; try again, after \"make deps\" if a tool is missing", stage, err)
	}
	if none := noSandbox(err, log); none != nil {
		return none
	}
	if by := endedBy(exit.ProcessState); by != 0 {
		return fmt.Errorf("%s: make did not run to its end: signal: %v; try again", stage, by)
	}
	return nil
}

// warnedObjects lists the objects whose compilers warned. What a compiler says of a
// header stands below the names of those that include it.
func warnedObjects(log []byte) []string {
	var all []string
	unit := ""
	for line := range bytes.Lines(log) {
		if m := unitName.FindSubmatch(line); m != nil {
			unit = string(m[1]) + ".o"
		}
		if warningLine.Match(line) && unit != "" && !slices.Contains(all, unit) {
			all = append(all, unit)
		}
	}
	return all
}

// objectCounter reads make's output and reports each file that is compiled.
type objectCounter struct {
	done, total int
	report      Reporter
	out         string // cut off the names of objects
	rest        []byte
}

func (o *objectCounter) Write(p []byte) (int, error) {
	o.rest = append(o.rest, p...)
	for {
		line, rest, ok := bytes.Cut(o.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		o.rest = rest
		if m := objectLine.FindSubmatch(line); m != nil {
			o.done++
			if o.total > 0 {
				o.total = max(o.total, o.done)
			}
			o.report.Objects(o.done, o.total, strings.TrimPrefix(string(m[1]), o.out))
		}
	}
}
