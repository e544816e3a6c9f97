// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timens-vmtest/internal/retest"
)

// systemd takes the units of the nightly job as they are, without a warning.
func TestUnitsOfNightly(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("not tested: the units of the nightly job, as there is no systemd-analyze")
	}
	retest.IfChanged(t, "..", "docs/nightly")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	units, err := filepath.Glob("nightly/vmtest-nightly.*")
	if err != nil || len(units) != 2 {
		t.Fatalf("%v, the units are %v", err, units)
	}
	out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--user"}, units...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// Everything that starts a night does it by a target of make, with variables and flags that
// there are.
func TestStartsOfNightly(t *testing.T) {
	retest.IfChanged(t, "..", "*.go", "go.mod", "Makefile")
	starts := regexp.MustCompile(`(?m)^(?:.*ExecStart=/usr/bin/|.*&& nice |\s*- run: )(.*?)(?: >"\$HOME.*)?$`)
	flag := regexp.MustCompile(` -[a-z]+`)
	help, err := exec.Command("go", "run", "../vmtest", "nightly", "-h").Output()
	if err != nil {
		t.Fatal(err)
	}
	for file, n := range map[string]int{"nightly/vmtest-nightly.service": 1, "nightly/crontab": 1, "../.github/workflows/nightly.yml": 2} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := starts.FindAllStringSubmatch(string(text), -1)
		if len(all) != n {
			t.Errorf("%s starts %d nights, want %d", file, len(all), n)
		}
		for _, m := range all {
			command := strings.NewReplacer("%h", "/home", "${{ matrix.base }}", "6.12", "${{ matrix.series }}", "control").Replace(m[1])
			if !strings.HasPrefix(command, "make nightly ") {
				t.Errorf("%s runs %q, which is no target for the nightly job", file, command)
			}
			out, err := exec.Command("sh", "-c", strings.Replace(command, "make ", "make -n -C .. ", 1)).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "bin/vmtest nightly -out") {
				t.Errorf("%s runs %q: %v\n%s", file, command, err, out)
				continue
			}
			line := string(out[strings.LastIndex(string(out), "bin/vmtest nightly"):])
			for _, f := range flag.FindAllString(line, -1) {
				if !strings.Contains(string(help), "\n "+f+" ") {
					t.Errorf("%s passes%s, which vmtest nightly does not have", file, f)
				}
			}
		}
	}
}
