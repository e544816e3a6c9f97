// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
)

// suites are the releases of Debian that are looked through for a source package that
// the machine's own lists do not have, in this order. Their lists are kept in the cache:
// no root is needed for that, and the machine's sources stay as they are.
var suites = []string{"trixie-backports", "bookworm-backports", "sid"}

// keyring signs all suites. Debian's package debian-archive-keyring has it.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// listsAge is how old a suite's lists may be before they are fetched again.
const listsAge = 12 * time.Hour

// apt asks the apt of this machine, with the machine's lists or with a suite's.
type apt struct {
	suite string // "" for the machine's own lists
	dir   string // holds the suite's lists and sources
}

// machineLists is where apt keeps the machine's own lists.
const machineLists = "/var/lib/apt/lists"

func (a apt) lists() string {
	if a.suite == "" {
		return machineLists
	}
	return filepath.Join(a.dir, "lists")
}

// String names the lists for a person.
func (a apt) String() string {
	if a.suite == "" {
		return "this machine's lists"
	}
	return "Debian " + a.suite
}

// command is apt-get or apt-cache with these lists.
func (a apt) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	options := []string{"-q", "-o", "Acquire::Languages=none"}
	if os.Geteuid() == 0 { // the user _apt cannot write to a private cache folder
		options = append(options, "-o", "APT::Sandbox::User=root")
	}
	if a.suite != "" {
		options = append(options, "-o", "Dir::State::Lists="+a.lists(), "-o", "Dir::Cache="+filepath.Join(a.dir, "cache"),
			"-o", "Dir::Etc::sourcelist="+filepath.Join(a.dir, "sources.list"), "-o", "Dir::Etc::sourceparts=-")
	}
	return sandbox.Command(ctx, dir, nil, name, append(options, args...)...)
}

// suite makes the lists of a suite ready, from the mirror that the machine's own apt
// uses for Debian.
func suite(ctx context.Context, h host.Host, name string) (apt, error) {
	a := apt{suite: name, dir: filepath.Join(h.Cache.Dir, "apt", name)}
	fetched := filepath.Join(a.dir, "fetched")
	if info, err := os.Stat(fetched); err == nil && time.Since(info.ModTime()) < listsAge {
		return a, nil
	}
	unlock, err := h.Lock(ctx, "apt-"+name, "the lists of Debian "+name)
	if err != nil {
		return a, err
	}
	defer unlock()
	if _, err := os.Stat(keyring); errors.Is(err, fs.ErrNotExist) {
		return a, fmt.Errorf("the lists of Debian %s cannot be verified: %s is missing; install Debian's package debian-archive-keyring", name, keyring)
	}
	mirror, err := debianMirror(ctx)
	if err != nil {
		return a, err
	}
	for _, dir := range []string{filepath.Join(a.lists(), "partial"), filepath.Join(a.dir, "cache/archives/partial")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return a, err
		}
	}
	sources := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, mirror, name)
	if err := cache.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(sources)); err != nil {
		return a, err
	}
	h.Report.Step("fetch the lists of Debian %s", name)
	// With a file that cannot be fetched apt-get prints a warning and exits 0, unless
	// it is told otherwise.
	if _, err := sandbox.Run(a.command(ctx, "", "apt-get", "update", "-o", "APT::Update::Error-Mode=any")); err != nil {
		return a, fmt.Errorf("fetch the lists of Debian %s: %w", name, err)
	}
	return a, cache.WriteFile(fetched, nil)
}

// debianMirror is the address that the machine's apt has for Debian itself.
func debianMirror(ctx context.Context) (string, error) {
	out, err := sandbox.Run(apt{}.command(ctx, "", "apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE)", "Created-By: Packages", "Origin: Debian"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if word := strings.Fields(line); len(word) == 2 && !strings.Contains(word[1], "security") && !strings.Contains(word[0], "security") {
			return word[0], nil
		}
	}
	return "", errors.New("apt knows no mirror of Debian: add one to its sources and type \"sudo apt-get update\", or pass -tree DIR")
}

// sourcePackages are the packages linux-source-N.N of some lists, the newest first.
func (a apt) sourcePackages(ctx context.Context) ([]string, error) {
	out, err := sandbox.Run(a.command(ctx, "", "apt-cache", "pkgnames", sourcePrefix))
	if err != nil {
		return nil, err
	}
	var all []string
	for name := range strings.FieldsSeq(string(out)) {
		if _, ok := releaseOf(name); ok {
			all = append(all, name)
		}
	}
	slices.SortFunc(all, func(x, y string) int {
		a, _ := releaseOf(x)
		b, _ := releaseOf(y)
		return slices.Compare(b[:], a[:])
	})
	return all, nil
}
