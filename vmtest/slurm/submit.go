// SPDX-License-Identifier: BSD-3-Clause

package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"timens-vmtest/internal/cache"
	"timens-vmtest/internal/shell"
)

// The commands of Slurm.
const (
	sbatch   = "sbatch"
	scancel  = "scancel"
	scontrol = "scontrol"
)

// ClusterLimits asks the cluster for its limits.
func ClusterLimits(ctx context.Context) (Limits, error) {
	l := DefaultLimits
	out, err := output(exec.CommandContext(ctx, scontrol, "show", "config"))
	if errors.Is(err, exec.ErrNotFound) {
		return l, fmt.Errorf("%s is not on PATH: this machine belongs to no Slurm cluster; -n writes the scripts and submits nothing", scontrol)
	}
	if err != nil {
		return l, err
	}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, "=")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil || n < 1 {
			continue
		}
		switch strings.TrimSpace(name) {
		case "MaxArraySize":
			l.MaxArraySize = n
		case "MaxJobCount":
			l.MaxJobCount = n
		}
	}
	return l, nil
}

// output runs a command, and returns what it printed. The error has what it said.
func output(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd.Args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// Write writes the scripts into the folder dir.
func (b Batch) Write(dir string) error {
	for _, s := range append(b.Arrays, b.Merge) {
		if err := cache.WriteFile(filepath.Join(dir, s.Name), []byte(s.Text)); err != nil {
			return err
		}
	}
	return nil
}

// Commands returns the lines that submit the scripts in the folder dir, for a shell. options are
// for all jobs.
func (b Batch) Commands(dir string, options []string) []string {
	var all, ids []string
	for i, s := range b.Arrays {
		id := fmt.Sprintf("array%d", i+1)
		all = append(all, fmt.Sprintf("%s=$(%s)", id, shell.Quote(submission(dir, s, options)...)))
		ids = append(ids, "$"+id)
	}
	words := submission(dir, b.Merge, options)
	return append(all, fmt.Sprintf("%s --dependency=afterany:%s %s", shell.Quote(words[0]), strings.Join(ids, ":"), shell.Quote(words[1:]...)))
}

// submission is the command that submits a script.
func submission(dir string, s Script, options []string) []string {
	words := append([]string{sbatch, "--parsable", "--chdir=" + dir}, options...)
	return append(words, filepath.Join(dir, s.Name))
}

// Submit submits the scripts in the folder dir. It returns the numbers of the jobs, that of the
// one that judges last. If it fails, it cancels those that it has submitted.
func (b Batch) Submit(ctx context.Context, dir string, options []string) (ids []string, err error) {
	for _, s := range append(b.Arrays, b.Merge) {
		words := submission(dir, s, options)
		if s.Name == b.Merge.Name {
			words = append([]string{words[0], "--dependency=afterany:" + strings.Join(ids, ":")}, words[1:]...)
		}
		out, err := output(exec.CommandContext(ctx, words[0], words[1:]...))
		if err != nil {
			return nil, errors.Join(err, cancel(context.WithoutCancel(ctx), ids))
		}
		id, _, _ := strings.Cut(strings.TrimSpace(out), ";") // behind it is the name of the cluster
		ids = append(ids, id)
	}
	return ids, nil
}

// cancel cancels jobs.
func cancel(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := output(exec.CommandContext(ctx, scancel, ids...))
	return err
}
