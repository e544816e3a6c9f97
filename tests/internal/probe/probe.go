// SPDX-License-Identifier: BSD-3-Clause

// Package probe runs Go code of a test inside a namespace. A child there
// executes the test's own binary, which calls one named function instead of
// running tests.
package probe

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timens-vmtest/tests/internal/clone"
)

// timeout limits one probe, so that the error names the probe before its test
// is killed.
const timeout = 25 * time.Second

// mark begins the first argument of a binary that must run a probe.
const mark = "probe:"

// Table has the functions that Run can call, by name.
type Table map[string]Handler

// Handler is a function without its types; see Func.
type Handler func(in []byte) (any, error)

// Func makes a Handler of f. In and Out are passed as JSON.
func Func[In, Out any](f func(In) (Out, error)) Handler {
	return func(text []byte) (any, error) {
		var in In
		if err := json.Unmarshal(text, &in); err != nil {
			return nil, err
		}
		return f(in)
	}
}

// Main is the TestMain of a package with probes.
func Main(m *testing.M, table Table) {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], mark) {
		os.Exit(serve(table, strings.TrimPrefix(os.Args[1], mark), os.Args[2]))
	}
	os.Exit(m.Run())
}

func serve(table Table, name, in string) int {
	handler := table[name]
	if handler == nil {
		fmt.Fprintf(os.Stderr, "probe %s: not in the table\n", name)
		return 1
	}
	out, err := handler([]byte(in))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "probe %s: %v\n", name, err)
		return 1
	}
	return 0
}

// Run calls a function of the table in a process that launch starts, and
// returns its result.
func Run[Out any](t testing.TB, launch clone.Launcher, name string, in any) Out {
	t.Helper()
	p, err := clone.NewProgram()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return Finish[Out](t, launch, p, name, in)
}

// Finish is Run for a child that runs the steps of p before it executes the
// binary.
func Finish[Out any](t testing.TB, launch clone.Launcher, p *clone.Program, name string, in any) Out {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()

	exec := p.Exec("/proc/self/exe", []string{os.Args[0], mark + name, string(text)}, stdout)
	child, err := launch(p)
	if err != nil {
		t.Fatalf("start probe %s: %v", name, err)
	}
	status, err := child.Wait(timeout)
	switch {
	case err != nil:
		t.Fatalf("probe %s: %v", name, err)
	case status.Exited() && status.ExitStatus() == 127:
		t.Fatalf("probe %s: execve: %v", name, exec.Err())
	case !status.Exited() || status.ExitStatus() != 0:
		t.Fatalf("probe %s: wait status %#x", name, int(status))
	}

	var out Out
	result, err := os.ReadFile(stdout.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(result, &out); err != nil {
		t.Fatalf("probe %s printed %q: %v", name, result, err)
	}
	return out
}
