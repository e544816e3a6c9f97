// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/kconfig"
	"timens-vmtest/kernel"
	"timens-vmtest/kernel/source"
	"timens-vmtest/kernel/symbols"
	"timens-vmtest/tests/mutants/generate"
)

// Verdicts of mutants whose kernel needs no boot: it cannot be built, or neither a function nor
// data of it differs from the kernel without the mutant.
const (
	unbuildable = "build"
	sameCode    = "same code"
)

// build builds the kernel of a series, with more patches on top, and returns the path of its
// vmlinux. If it cannot be built, the path is empty and why says what the compiler did not take.
func (r runner) build(ctx context.Context, series string, patches ...string) (vmlinux, why string, err error) {
	args := []string{"kernel", "-base", r.base, "-series", series}
	for _, p := range patches {
		args = append(args, "-patch", p)
	}
	cmd := exec.CommandContext(ctx, "bin/vmtest", args...)
	cmd.Env = append(os.Environ(), r.host.GoCores())
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == blame.Kernel.ExitCode() {
		return "", headlineOf(said.String()), nil
	}
	if err != nil {
		return "", "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, said.String())
	}
	return strings.TrimSpace(out.String()), "", nil
}

// headlineOf returns the first line that says what is wrong, or else the last one.
func headlineOf(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if i := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "error:") }); i >= 0 {
		return strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// prejudge builds the kernel of a generated mutant, whose patch is in a file. If that shows that no boot is needed, decided
// is set. forget removes the kernel.
func (r runner) prejudge(ctx context.Context, m patched, file string) (o outcome, decided bool, forget func() error, err error) {
	forget = func() error { return nil }
	if o, decided, err := r.compileAlone(ctx, m); decided || err != nil {
		return o, decided, forget, err
	}
	vmlinux, why, err := r.build(ctx, m.series, file)
	if err != nil {
		return outcome{}, false, forget, err
	}
	if vmlinux == "" {
		return outcome{Verdict: unbuildable, Headline: why}, true, forget, nil
	}
	if vmlinux != r.unmutated[m.series].vmlinux {
		forget = kernel.Image{Vmlinux: vmlinux}.Forget
	}
	differ, err := symbols.Compare(r.unmutated[m.series].vmlinux, vmlinux)
	if err != nil {
		return outcome{}, false, forget, err
	}
	if differ.Nothing() {
		return outcome{Verdict: sameCode}, true, forget, nil
	}
	return outcome{}, false, forget, nil
}

// unmutated is the kernel of a series without a mutant.
type unmutated struct {
	vmlinux string
	config  generate.Config // what the preprocessor knows where it is compiled
}

// unmutatedKernel builds the kernel of a series without a mutant. The generator took options of the configuration for set;
// they are compared with those that are.
func (r runner) unmutatedKernel(ctx context.Context, series string, t kernel.Tree) error {
	vmlinux, why, err := r.build(ctx, series)
	if err == nil && why != "" {
		err = fmt.Errorf("the kernel of %s without a mutant does not build: %s", series, why)
	}
	if err != nil {
		return err
	}
	dotconfig, err := os.ReadFile(filepath.Join(filepath.Dir(vmlinux), "config"))
	if err != nil {
		return err
	}
	set := kconfig.Values(dotconfig)
	list, err := readFunctions()
	if err != nil {
		return err
	}
	r.unmutated[series] = unmutated{vmlinux, configOf(list.Config(source.ReleaseOf(t.Base.Version).String()), set)}
	if r.made == nil {
		return nil
	}
	return r.made.verify(series, set)
}

// configOf returns what the preprocessor knows: macros of a list, and the options of a .config. The list has options for
// the generator, which needs no kernel.
func configOf(listed generate.Config, set map[string]string) generate.Config {
	c := make(generate.Config)
	for name, value := range listed {
		if !strings.HasPrefix(name, "CONFIG_") {
			c[name] = value
		}
	}
	for name, value := range set {
		if value == "y" {
			value = "1"
		}
		c[name] = value
	}
	return c
}
