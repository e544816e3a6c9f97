// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"cmp"
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

// suites are the releases of Debian in which vmtest looks for a source package that the
// machine's own lists do not have, in this order. Their lists are kept in the cache, so
// this needs no root, and the machine's apt sources do not change.
var suites = []string{"trixie-backports", "bookworm-backports", "sid"}

// debianKeyring has the keys that sign all suites. It comes with Debian's package
// debian-archive-keyring.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// listsAge is the age at which a suite's lists are fetched again.
const listsAge = 12 * time.Hour

// apt runs the machine's apt, with the machine's lists or with a suite's.
type apt struct {
	suite string // "" for the machine's own lists
	dir   string // has the suite's lists and sources
}

// machineLists is the folder of the machine's own lists.
const machineLists = "/var/lib/apt/lists"

func (a apt) lists() string {
	if a.suite == "" {
		return machineLists
	}
	return filepath.Join(a.dir, "lists")
}

// changed returns when the lists were fetched last. It returns the zero time if the machine has
// none of its own.
func (a apt) changed() (time.Time, error) {
	path := machineLists
	if a.suite != "" {
		path = a.fetched()
	}
	info, err := os.Stat(path)
	if a.suite == "" && errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// fetched returns the path of a file that is written when a suite's lists have been fetched.
func (a apt) fetched() string { return filepath.Join(a.dir, "fetched") }

// String names the lists, for messages.
func (a apt) String() string {
	if a.suite == "" {
		return "this machine's lists"
	}
	return "Debian " + a.suite
}

// command returns a command that runs apt-get or apt-cache with these lists.
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

// suite fetches the lists of a suite if they are missing or old. It uses the mirror that
// the machine's own apt uses for Debian.
func (s Spec) suite(ctx context.Context, h host.Host, name string) (apt, error) {
	keyring := cmp.Or(s.keyring, debianKeyring)
	a := apt{suite: name, dir: filepath.Join(h.Cache.Dir, "apt", name)}
	fresh := func() bool {
		changed, err := a.changed()
		return err == nil && time.Since(changed) < listsAge
	}
	if fresh() {
		return a, nil
	}
	unlock, err := h.Lock(ctx, "apt-"+name, "the lists of Debian "+name)
	if err != nil {
		return a, err
	}
	defer unlock()
	if fresh() { // another process fetched them meanwhile
		return a, nil
	}
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
	// Without this option apt-get only warns about a file that it cannot fetch, and exits
	// with 0.
	if _, err := sandbox.Run(a.command(ctx, "", "apt-get", "update", "-o", "APT::Update::Error-Mode=any")); err != nil {
		return a, fmt.Errorf("fetch the lists of Debian %s: %w", name, err)
	}
	return a, cache.WriteFile(a.fetched(), nil)
}

// debianMirror returns the address of the mirror that the machine's apt uses for Debian.
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

// sourcePackages returns the packages linux-source-N.N of these lists, the newest first.
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
		return b.Compare(a)
	})
	return all, nil
}
