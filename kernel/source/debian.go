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
	"regexp"
	"strings"
	"time"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/host"
	"timens-vmtest/internal/sandbox"
	"timens-vmtest/internal/shell"
)

// deb describes a Debian package, as apt's lists do.
type deb struct {
	Package string
	File    string    // such as linux-source-6.12_6.12.117-1~deb12u1_all.deb
	SHA256  string    // of the package
	Suite   string    // whose lists have the package; "" for the machine's own lists
	Lists   time.Time // when the newest of the lists changed that were asked: the machine's, and of the suites those up to Suite
}

// name returns the name of the file without its ending. It has the package and the version.
func (d deb) name() string { return strings.TrimSuffix(d.File, "_all.deb") }

// fetchPackage downloads a source package with apt, which verifies it, and unpacks the
// package without installing it.
func (s Spec) fetchPackage(ctx context.Context, h host.Host) (Base, error) {
	d, err := s.find(ctx, h)
	if err == nil {
		err = d.remember(h)
	}
	if err != nil {
		return Base{}, err
	}
	origin := "Debian's " + strings.ReplaceAll(d.name(), "_", " ")
	return unpacked(ctx, h, d.SHA256, origin, func(tmp string) error {
		from := apt{}
		if d.Suite != "" {
			if from, err = s.suite(ctx, h, d.Suite); err != nil {
				return err
			}
		}
		h.Report.Step("fetch %s by apt-get download, from %v", d.name(), from)
		if _, err := sandbox.Run(from.command(ctx, tmp, "apt-get", "download", d.Package+"="+d.version())); err != nil {
			return fmt.Errorf("%w\nthe lists may be old: %s, and try again", err, from.refresh())
		}
		file := filepath.Join(tmp, d.File)
		if got, err := cache.HashFile(file); err != nil {
			return err
		} else if got != d.SHA256 {
			return fmt.Errorf("%s has SHA-256 %s, apt's lists say %s; %s", d.File, got, d.SHA256, from.refresh())
		}
		if _, err := sandbox.Run(sandbox.Command(ctx, tmp, nil, "dpkg-deb", "-x", file, tmp)); err != nil {
			return err
		}
		return unpack(ctx, filepath.Join(tmp, "usr/src", d.Package+".tar.xz"), h.Report)
	})
}

// version returns the version of the package. In the name of a file, apt writes a colon as
// %3a.
func (d deb) version() string {
	_, rest, _ := strings.Cut(d.name(), "_")
	return strings.ReplaceAll(rest, "%3a", ":")
}

// refresh returns an advice for lists that are out of date: what to type.
func (a apt) refresh() string {
	if a.suite == "" {
		return "type \"sudo apt-get update\""
	}
	return fmt.Sprintf("type \"%s\"", shell.Quote("rm", "-r", a.dir))
}

// find returns the package and the version that the spec means. It looks first in the
// machine's own lists, then in those of other suites.
func (s Spec) find(ctx context.Context, h host.Host) (deb, error) {
	pkg := s.Package
	if pkg == "" {
		pkg = DefaultPackage
	}
	if _, err := exec.LookPath("apt-get"); errors.Is(err, exec.ErrNotFound) {
		return deb{}, fmt.Errorf("the base comes from Debian's package %s, and this system has no apt; pass -tree DIR, or -tarball URL -sha256 SUM", pkg)
	}
	if pkg == Newest {
		return s.newest(ctx, h)
	}
	memory := memoryOf(h, pkg, s.Version)
	var last deb
	known := cache.ReadSealed(memory, &last) == nil && last.Package == pkg
	if known && s.Version != "" && inCache(h, last) {
		return last, nil // a version never changes
	}
	d, err := s.ask(ctx, h, pkg, last)
	if err != nil {
		if known && inCache(h, last) && ctx.Err() == nil {
			h.Report.Step("%s is taken from the cache: %v", last.name(), err)
			return last, nil
		}
		return deb{}, err
	}
	if d == last {
		return d, nil
	}
	return d, cache.WriteSealed(memory, d)
}

// memoryOf returns the path of the file in the cache that says which package was found for a
// name and a version; version is "" for the newest one.
func memoryOf(h host.Host, pkg, version string) string {
	return filepath.Join(h.Cache.Dir, "base", strings.ReplaceAll(strings.TrimSuffix(pkg+"="+version, "="), "/", "_")+".json")
}

// remember lets find return the package by its version as long as it is in the cache, also when
// no list has that version any more.
func (d deb) remember(h host.Host) error {
	return cache.WriteSealed(memoryOf(h, d.Package, d.version()), d)
}

// inCache reports whether the package is unpacked in the cache.
func inCache(h host.Host, d deb) bool {
	_, err := os.Stat(unpackedDir(h, d.SHA256))
	return err == nil
}

// ask looks for a package in the machine's lists, then in each suite's. apt takes a second
// to answer, so ask returns last while no list has changed that has a say.
func (s Spec) ask(ctx context.Context, h host.Host, pkg string, last deb) (deb, error) {
	if last.Package == pkg {
		if changed, err := s.listsChanged(ctx, h, last.Suite); err == nil && changed.Equal(last.Lists) {
			return last, nil
		}
	}
	changed, err := (apt{}).changed()
	if err != nil {
		return deb{}, err
	}
	if d, err := (apt{}).find(ctx, pkg, s.Version); err != nil || d.Package != "" {
		d.Lists = changed
		return d, err
	}
	var offers []string
	var unreached error
	for _, name := range suites {
		from, err := s.suite(ctx, h, name)
		if err != nil {
			unreached = errors.Join(unreached, err)
			continue
		}
		at, err := from.changed()
		if err != nil {
			return deb{}, err
		}
		changed = later(changed, at)
		d, err := from.find(ctx, pkg, s.Version)
		if err != nil || d.Package != "" {
			d.Lists = changed
			return d, err
		}
		has, err := from.sourcePackages(ctx)
		if err != nil {
			return deb{}, err
		}
		if len(has) > 0 {
			offers = append(offers, fmt.Sprintf("%v has %s", from, strings.Join(has, ", ")))
		}
	}
	what := strings.TrimSuffix(pkg+"="+s.Version, "=")
	if unreached != nil {
		return deb{}, fmt.Errorf("no lists that can be reached have %s: %w", what, unreached)
	}
	return deb{}, blame.Usagef("Debian has no package %s any more, or never had it; %s", what, strings.Join(offers, "; "))
}

// listsChanged returns what Lists of a package from this suite would be if the package were looked
// for now. It fetches the lists of suites that are old.
func (s Spec) listsChanged(ctx context.Context, h host.Host, last string) (time.Time, error) {
	changed, err := (apt{}).changed()
	for _, name := range suites {
		if err != nil || last == "" {
			break
		}
		from, suiteErr := s.suite(ctx, h, name)
		if suiteErr != nil {
			return time.Time{}, suiteErr
		}
		var at time.Time
		at, err = from.changed()
		if changed = later(changed, at); name == last {
			break
		}
	}
	return changed, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

var printURIs = regexp.MustCompile(`(?m)^'[^']*' (\S+\.deb) \d+ SHA256:([0-9a-f]{64})`)

// find looks for a package in these lists. It returns the zero value if they do not have
// the package.
func (a apt) find(ctx context.Context, pkg, version string) (deb, error) {
	known, err := sandbox.Run(a.command(ctx, "", "apt-cache", "madison", pkg))
	if err != nil {
		return deb{}, err
	}
	if !strings.Contains(string(known), " "+version+" ") && version != "" || len(strings.TrimSpace(string(known))) == 0 {
		return deb{}, nil
	}
	out, err := sandbox.Run(a.command(ctx, "", "apt-get", "download", "--print-uris", strings.TrimSuffix(pkg+"="+version, "=")))
	if err != nil {
		return deb{}, fmt.Errorf("ask apt for %s: %w\n%s and try again", pkg, err, a.refresh())
	}
	m := printURIs.FindSubmatch(out)
	if m == nil {
		return deb{}, fmt.Errorf("ask apt for %s: no address with a SHA-256 in its answer %q", pkg, out)
	}
	return deb{Package: pkg, File: string(m[1]), SHA256: string(m[2]), Suite: a.suite}, nil
}

// newest returns the newest source package of all lists. If a suite cannot be asked, that is
// reported, and the packages in the cache count as well. If no suite can be asked, they alone count.
func (s Spec) newest(ctx context.Context, h host.Host) (deb, error) {
	best, err := deb{}.orNewerOf(ctx, apt{})
	if err != nil {
		return deb{}, err
	}
	var silent []string // suites that cannot be asked
	var why error
	for _, name := range suites {
		from, err := s.suite(ctx, h, name)
		if err != nil {
			silent, why = append(silent, from.String()), errors.Join(why, err)
			continue
		}
		if best, err = best.orNewerOf(ctx, from); err != nil {
			return deb{}, err
		}
	}
	if ctx.Err() != nil {
		return deb{}, ctx.Err()
	}
	switch {
	case silent != nil:
		h.Report.Step("%s cannot be asked for the newest source: %v", strings.Join(silent, ", "), why)
		if len(silent) == len(suites) {
			best = deb{}
		}
		return best.orNewestInCache(ctx, h, why)
	case best.Package == "":
		return deb{}, errors.New("no list of Debian has a package linux-source-N.N; pass -tree DIR")
	}
	h.Report.Step("the newest source is %s, from %v", best.name(), apt{suite: best.Suite})
	return best, nil
}

// orNewestInCache returns d, or the newest source in the cache if that is newer, and reports which.
// why says why suites cannot be asked.
func (d deb) orNewestInCache(ctx context.Context, h host.Host, why error) (deb, error) {
	last, err := newestInCache(ctx, h)
	if err != nil {
		return deb{}, err
	}
	newer, err := last.newerThan(ctx, d)
	switch {
	case err != nil:
		return deb{}, err
	case newer:
		h.Report.Step("the newest source that can be had is %s, which is in the cache", last.name())
		return last, nil
	case d.Package == "":
		return deb{}, fmt.Errorf("the newest source cannot be found, and the cache has none; name a base, such as -base %s: %w", DefaultRelease, why)
	}
	h.Report.Step("the newest source that can be had is %s, from %v", d.name(), apt{suite: d.Suite})
	return d, nil
}

// orNewerOf returns d, or the newest source package of these lists if that is newer.
func (d deb) orNewerOf(ctx context.Context, from apt) (deb, error) {
	has, err := from.sourcePackages(ctx)
	if err != nil || len(has) == 0 {
		return d, err
	}
	mine, _ := releaseOf(d.Package)
	if release, _ := releaseOf(has[0]); release.Compare(mine) < 0 {
		return d, nil // its version need not be asked for
	}
	other, err := from.find(ctx, has[0], "")
	if err != nil {
		return d, err
	}
	newer, err := other.newerThan(ctx, d)
	if newer {
		d = other
	}
	return d, err
}

// newerThan reports whether d is the newer source: that of a later release or, of one release, the
// later version in dpkg's order. The zero value is older than every package.
func (d deb) newerThan(ctx context.Context, other deb) (bool, error) {
	a, _ := releaseOf(d.Package)
	b, _ := releaseOf(other.Package)
	if order := a.Compare(b); order != 0 || d.Package == "" {
		return order > 0, nil
	}
	cmd := sandbox.Command(ctx, "", nil, "dpkg", "--compare-versions", d.version(), "gt", other.version())
	_, err := sandbox.Run(cmd)
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}

// newestInCache returns the newest package linux-source-N.N that is unpacked in the cache, or the
// zero value.
func newestInCache(ctx context.Context, h host.Host) (deb, error) {
	pattern := memoryOf(h, sourcePrefix+"*", "")
	files, err := fs.Glob(os.DirFS(filepath.Dir(pattern)), filepath.Base(pattern))
	if err != nil {
		return deb{}, err
	}
	var best deb
	for _, file := range files {
		var d deb
		if cache.ReadSealed(filepath.Join(filepath.Dir(pattern), file), &d) != nil || !inCache(h, d) { // damaged, or deleted since
			continue
		}
		newer, err := d.newerThan(ctx, best)
		if err != nil {
			return deb{}, err
		}
		if newer {
			best = d
		}
	}
	return best, nil
}
