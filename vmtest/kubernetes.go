// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"timens-vmtest/internal/shell"
	"timens-vmtest/vmtest/kubernetes"
	"timens-vmtest/vmtest/nightly"
)

func (a *app) registerKubernetes(set *flag.FlagSet) {
	set.StringVar(&a.submit.image, "image", "", "`IMAGE` of the containers, which has Go, the compilers and QEMU; it must be given")
	set.Var(&a.submit.volumes, "volume", "`CLAIM:DIR`: a PersistentVolumeClaim, and the folder at which this machine and all pods see its volume; one has the folder of the night. May be repeated")
	set.StringVar(&a.submit.cache, "cache", "", "`DIR` in a -volume for the cache that all pods share (default: each pod has one of its own, which ends with it)")
}

// kubernetesVerb writes what runs the cells on standard input in a Kubernetes cluster.
func kubernetesVerb(_ context.Context, a *app, options []string) (int, error) {
	lines, err := a.submitted("kubernetes", "kubectl", options)
	if err != nil {
		return 0, err
	}
	place := kubernetes.Place{Root: a.Checkout.Root, Image: a.submit.image, User: os.Getuid(), Group: os.Getgid()}
	for _, text := range a.submit.volumes {
		v, err := kubernetes.ParseVolume(text)
		if err != nil {
			return 0, err
		}
		place.Volumes = append(place.Volumes, v)
	}
	if a.submit.cache != "" {
		if place.Cache, err = filepath.Abs(a.submit.cache); err != nil {
			return 0, err
		}
	}
	batch, err := kubernetes.Arrange(lines, place, a.submit.throttle, kubernetes.JobLimits, options)
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(batch.Folder, nightly.KubernetesDir)
	if err := batch.Write(dir); err != nil {
		return 0, err
	}
	for i, j := range batch.Jobs {
		a.progress.Step("Job %d: %d cells, %d at the same time, %d MB of memory each", i+1, len(j.Lines), j.AtOnce, j.MemoryMB)
	}
	fmt.Println(shell.Quote("sh", filepath.Join(dir, kubernetes.SubmitFile)))
	return 0, nil
}
