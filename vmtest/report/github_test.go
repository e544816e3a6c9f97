// SPDX-License-Identifier: BSD-3-Clause

package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timens-vmtest/vmtest/verdict"
)

func annotated(t *testing.T, all []Annotation) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteAnnotations(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A finding about a test names the line of the test that failed, and the lanes in which it did.
func TestAnnotations(t *testing.T) {
	broke := broken("timens", "TestA", "a_test.go:7: got 100%, want: 1, 2")
	i386 := broken("timens/386", "TestA", "a_test.go:8: why")
	r := judged(run, verdict.LaneResult{Lane: "real", Tests: []verdict.TestResult{broke}}, verdict.LaneResult{Lane: "virtual", Tests: []verdict.TestResult{broke, i386}})
	r.Findings = append(r.Findings, verdict.Finding{Verdict: verdict.Failed, Lane: "real", Text: "splat: \x1b[31mWARNING\u202e"},
		verdict.Finding{Verdict: verdict.Unbuilt, Text: "build: exit status 2\na.c:1:2: error: no"})
	got := annotated(t, Annotations(r))
	want := `::error file=tests/timens/a_test.go,line=7,title=vmtest%3A timens.TestA (real and virtual)::timens.TestA: fail, expected pass%0Aa_test.go:7: got 100%25, want: 1, 2
::error file=tests/timens/a_test.go,line=8,title=vmtest%3A timens/386.TestA (virtual)::timens/386.TestA: fail, expected pass%0Aa_test.go:8: why
::error title=vmtest%3A fail (real)::splat: [31mWARNING
::error title=vmtest%3A kernel::build: exit status 2%0Aa.c:1:2: error: no
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Whatever was found, GitHub shows all that is printed: at most ten lines of a level, each a
// command, and the last says how many are left out.
func TestAnnotationsWithinLimits(t *testing.T) {
	command := regexp.MustCompile(`^::(error|notice) (file=[^,:]+,line=\d+,)?title=[^,:]+::[^\r\n]+$`)
	for _, n := range []int{1, 9, 10, 11, 500} {
		var all []Annotation
		for i := range n {
			text := fmt.Sprintf("%d: ", i) + strings.Repeat("ä\r\n::error::", 10000)
			all = append(all, Annotation{Level: Error, Title: text, Text: text}, Annotation{Level: Notice, Title: "a,b:c", Text: "x", File: "a.go", Line: "1"})
		}
		lines := strings.Split(strings.TrimSuffix(annotated(t, all), "\n"), "\n")
		if len(lines) != 2*min(n, maxAnnotations) {
			t.Errorf("%d annotations became %d lines", 2*n, len(lines))
		}
		for _, line := range lines {
			if !command.MatchString(line) || len(line) > 64<<10 {
				t.Errorf("of %d annotations there is the line %.300q", n, line)
			}
		}
		more := fmt.Sprintf("::error title=vmtest::%d more are in the summary of the job and in its log", n-9)
		if got := strings.Contains(strings.Join(lines, "\n"), more); got != (n > 10) {
			t.Errorf("%d errors: it says %q is %v", n, more, got)
		}
	}
}

// A summary is never longer than GitHub takes, however much is in it already. What a test
// printed is neither HTML nor Markdown in it.
func TestSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary")
	if err := AppendSummary(path, "vmtest run: fail", []byte("a <b> & \x1b[1m`c`\n\n# d\n")); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if want := "### vmtest run: fail\n\n<pre>\na &lt;b&gt; &amp; [1m`c`\n\n# d\n</pre>\n\n"; err != nil || string(first) != want {
		t.Fatalf("%v, got %q, want %q", err, first, want)
	}
	long := []byte(strings.Repeat(strings.Repeat("<", 99)+"\n", 2000))
	for range 5 {
		if err := AppendSummary(path, "more", long); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxSummary || len(text) < maxSummary-1000 {
		t.Fatalf("%v, the summary has %d bytes, want nearly %d", err, len(text), maxSummary)
	}
	if opened, closed := strings.Count(string(text), "<pre>"), strings.Count(string(text), "</pre>"); !bytes.HasPrefix(text, first) || opened != closed || !bytes.HasSuffix(text, []byte("</pre>\n\n")) {
		t.Errorf("%d texts begin and %d end", opened, closed)
	}
	// A line of the last text has 99 times "&lt;" and a newline.
	m := regexp.MustCompile(`\[vmtest: (\d+) lines are left out here: a summary of GitHub has at most 1048576 bytes\]`).FindSubmatch(text)
	if has := strings.Count(string(text), strings.Repeat("&lt;", 99)+"\n"); m == nil || fmt.Sprint(2000-has%2000) != string(m[1]) {
		t.Errorf("it has %d lines, and says %q", has, m)
	}
}
