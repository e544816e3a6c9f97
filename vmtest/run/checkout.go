// SPDX-License-Identifier: BSD-3-Clause

package run

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/internal/host"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/series"
	"timens-vmtest/vmtest/verdict"
)

// controlSeries is the series of the unpatched kernel. Its file expect names the tests that
// need a patch.
const controlSeries = "control"

// Checkout is a checkout of this project. Root is the path of its folder.
type Checkout struct{ Root string }

// Patches returns the path of the folder with all series.
func (c Checkout) Patches() string { return filepath.Join(c.Root, "kernel", "patches") }

// Allow returns the text of the file kernel/allow. If the text cannot be parsed, the error
// is a blame.UsageError.
func (c Checkout) Allow() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(c.Root, "kernel", "allow"))
	if err != nil {
		return nil, err
	}
	if _, err := verdict.ParseAllow(text); err != nil {
		return nil, blame.Usagef("kernel/%w", err)
	}
	return text, nil
}

// Every returns the text of the file kernel/expect, which says what every kernel gets wrong.
// If the text cannot be parsed, the error is a blame.UsageError.
func (c Checkout) Every() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(c.Root, "kernel", "expect"))
	if err != nil {
		return nil, err
	}
	if _, err := verdict.ParseExpect(text); err != nil {
		return nil, blame.Usagef("kernel/%w", err)
	}
	return text, nil
}

// Complete returns the series with the file kernel/expect added to its expectations. If both
// name a test, the series decides. Text that cannot be parsed is a blame.UsageError.
func (c Checkout) Complete(s series.Series) (series.Series, error) {
	every, err := c.Every()
	if err != nil {
		return s, err
	}
	if s.Expect, err = verdict.JoinExpect(every, s.Expect); err != nil {
		return s, blame.Usagef("series %s: %w", s.Name, err)
	}
	return s, nil
}

// Control returns the series of the unpatched kernel. Its Expect also has what every kernel
// gets wrong; see Complete.
func (c Checkout) Control(ctx context.Context, h host.Host) (series.Series, error) {
	control, err := series.Load(ctx, h.Sandbox, c.Patches(), controlSeries)
	if err != nil {
		return control, err
	}
	return c.Complete(control)
}

// Fragment returns one configuration fragment by its name in kconfig/, without ".config".
func (c Checkout) Fragment(name string) (kconfig.Config, error) {
	return kconfig.Load(filepath.Join(c.Root, "kconfig", name+".config"))
}

// OwnsControl reports whether a folder is the one of the series control, whatever path
// leads to it.
func (c Checkout) OwnsControl(folder string) bool {
	here, err := os.Stat(folder)
	if err != nil {
		return false
	}
	control, err := os.Stat(c.ControlFolder())
	return err == nil && os.SameFile(here, control)
}

// ControlFolder returns the path of the folder of the series control, which never has
// patches.
func (c Checkout) ControlFolder() string { return filepath.Join(c.Patches(), controlSeries) }

// DefaultFragments are the fragments of every configuration, in the order in which they are
// merged.
var DefaultFragments = []string{"base", "x86_64", "timens", "clone3"}

// Config merges the default fragments with more fragments. Each is the name of a fragment
// in kconfig/, or a path if it has a slash or a dot. A fragment that does not exist or
// cannot be parsed is a blame.UsageError.
func (c Checkout) Config(more ...string) (kconfig.Config, error) {
	var paths []string
	for _, given := range slices.Concat(DefaultFragments, more) {
		path := given
		if !strings.ContainsAny(given, "/.") {
			path = filepath.Join(c.Root, "kconfig", given+".config")
		}
		if _, err := os.Stat(path); err != nil {
			return kconfig.Config{}, blame.Usagef("-config %s: %w%s", given, err, c.knownFragments())
		}
		paths = append(paths, path)
	}
	config, err := kconfig.Load(paths...)
	if err != nil {
		return config, &blame.UsageError{Err: err}
	}
	return config, nil
}

// knownFragments returns the end of an error message that lists the fragments in kconfig/.
func (c Checkout) knownFragments() string {
	found, err := fs.Glob(os.DirFS(filepath.Join(c.Root, "kconfig")), "*.config")
	if err != nil || len(found) == 0 {
		return ""
	}
	return "; kconfig/ holds " + strings.Join(found, ", ")
}
