// SPDX-License-Identifier: BSD-3-Clause

package initramfs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// initPackage is the package in which the go command sees the sources of
// u-root's init together with multicall. The folder exists only in the overlay.
const initPackage = "initramfs/init"

// multicall turns u-root's init and our uinit into one program, which acts by
// its name, like busybox. QEMU without KVM then has to translate the common
// code only once, which saves a tenth of the boot.
const multicall = `package main

import (
	"os"
	"path/filepath"

	"timens-vmtest/initramfs/uinit"
)

func init() {
	if filepath.Base(os.Args[0]) == "uinit" {
		uinit.Main()
	}
	uinit.WarmUp()
}
`

// overlay writes the file for "go build -overlay" that makes initPackage exist,
// and returns its name.
func (s Spec) overlay(ctx context.Context) (string, error) {
	dir, err := s.goTool(ctx, native, []string{"list", "-f", "{{.Dir}}", uroot + "init"})
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(dir), "*.go"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("u-root's init has no sources in %q", dir)
	}
	module, err := filepath.Abs(s.Module)
	if err != nil {
		return "", err
	}
	ours := filepath.Join(s.Scratch, "multicall.go")
	replace := map[string]string{filepath.Join(module, initPackage, "multicall.go"): ours}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			replace[filepath.Join(module, initPackage, filepath.Base(file))] = file
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(ours, []byte(multicall), 0o644); err != nil {
		return "", err
	}
	name := filepath.Join(s.Scratch, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}
