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
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel/patch"
	"timens-vmtest/vmtest/verdict"
)

// controlSeries is the unpatched kernel: its expect file says which tests are of
// patches.
const controlSeries = "control"

// Checkout is a checkout of this project.
type Checkout struct{ Root string }

// Patches is the folder that holds the series.
func (c Checkout) Patches() string { return filepath.Join(c.Root, "kernel", "patches") }

// Allow returns the text of the file kernel/allow, which can be parsed.
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

// Every returns the text of the file kernel/expect, which is about every kernel and
// can be parsed.
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

// Complete puts what every kernel gets wrong below what the series expects.
func (c Checkout) Complete(s patch.Series) (patch.Series, error) {
	every, err := c.Every()
	if err != nil {
		return s, err
	}
	if s.Expect, err = verdict.JoinExpect(every, s.Expect); err != nil {
		return s, blame.Usagef("series %s: %w", s.Name, err)
	}
	return s, nil
}

// Control is the unpatched kernel as a series; its Expect is complete.
func (c Checkout) Control(ctx context.Context) (patch.Series, error) {
	control, err := patch.LoadSeries(ctx, c.Patches(), controlSeries)
	if err != nil {
		return control, err
	}
	return c.Complete(control)
}

// Fragment is one of the fragments in kconfig/ alone.
func (c Checkout) Fragment(name string) (kconfig.Config, error) {
	return kconfig.Load(filepath.Join(c.Root, "kconfig", name+".config"))
}

// defaultFragments make the configuration, in this order.
var defaultFragments = []string{"base", "x86_64", "timens", "clone3"}

// Config merges the default fragments and more of them. One that is a word is the
// name of a fragment in kconfig/, any other is a path.
func (c Checkout) Config(more ...string) (kconfig.Config, error) {
	var paths []string
	for _, given := range slices.Concat(defaultFragments, more) {
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

func (c Checkout) knownFragments() string {
	found, err := fs.Glob(os.DirFS(filepath.Join(c.Root, "kconfig")), "*.config")
	if err != nil || len(found) == 0 {
		return ""
	}
	return "; kconfig/ holds " + strings.Join(found, ", ")
}
