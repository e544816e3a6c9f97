// SPDX-License-Identifier: BSD-3-Clause

package kubernetes

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"timens-vmtest/vmtest/cells"
)

// Names in the manifests.
const (
	containerName = "cell"
	cacheName     = "cache"
	cacheDir      = "/cache" // where a pod has a cache of its own
)

// kvmResource is what KubeVirt's device plugin calls /dev/kvm. A container that asks for it has
// that device.
const kvmResource = "devices.kubevirt.io/kvm"

// kept is how long the cluster keeps a Job that has ended, and the logs of its pods.
const kept = 7 * 24 * 60 * 60

// grace is how many seconds a pod has to end after it was told to. A command has 30 seconds to end
// its guests and builds, and what it leaves is removed then.
const grace = 60

// cacheMB is what the cache of a pod of its own takes on the disk of the node. A run from empty
// caches took 3.4 GB; see docs/performance.md.
const cacheMB = 5 * 1024

// unjudged is the exit code of a cell without a verdict.
const unjudged = 4

// indexed returns the Job that runs an array, a cell in each pod. It is the i-th one of the night.
// A red cell fails its index, which says in the cluster what the night will say. A pod that fails
// because its node is drained or dies is no failure, and runs again.
func (p Place) indexed(a cells.Array, dir string, i int) job {
	j := p.job(a.Lines[0], a.Grant, fmt.Sprintf("-%d-", i+1), filepath.Join(dir, jobScript(i)))
	retries := cells.Retries
	j.Spec.CompletionMode, j.Spec.Completions, j.Spec.Parallelism, j.Spec.BackoffLimitPerIndex = "Indexed", len(a.Lines), a.AtOnce, &retries
	j.Spec.PodFailurePolicy.Rules = append(j.Spec.PodFailurePolicy.Rules,
		failureRule{Action: "FailIndex", OnExitCodes: &exitCodes{ContainerName: containerName, Operator: "NotIn", Values: []int{unjudged}}})
	j.Spec.Template.Spec.ActiveDeadlineSeconds = a.Minutes * 60
	return j
}

// merging returns the Job that judges the night. It has no deadline: what the search for the cause
// of a failure takes is not known.
func (p Place) merging(l cells.Line, dir string) job {
	grant := cells.GrantOf(l)
	grant.KVM = false
	j := p.job(l, grant, "-merge-", filepath.Join(dir, mergeScript))
	none := 0
	j.Spec.BackoffLimit = &none
	return j
}

// job returns what all Jobs of the night have in common.
func (p Place) job(l cells.Line, g cells.Grant, kind, script string) job {
	name := nameOf(l.Night)
	labels := map[string]string{"app.kubernetes.io/name": "timens-vmtest", "app.kubernetes.io/instance": name}
	pod := podSpec{
		RestartPolicy: "Never", TerminationGracePeriodSeconds: grace, SecurityContext: user{p.User, p.Group},
		Containers: []container{{
			Name: containerName, Image: p.Image, Command: []string{"/bin/sh", script},
			Env: []variable{{"XDG_CACHE_HOME", cacheDir}}, Resources: resourcesOf(g),
		}},
	}
	c := &pod.Containers[0]
	for i, v := range p.Volumes {
		name := fmt.Sprintf("volume-%d", i+1)
		pod.Volumes = append(pod.Volumes, volume{Name: name, PersistentVolumeClaim: &volumeClaim{v.Claim}})
		c.VolumeMounts = append(c.VolumeMounts, volumeMount{name, v.Dir})
	}
	if p.Cache != "" {
		c.Env[0].Value = p.Cache
	} else {
		pod.Volumes = append(pod.Volumes, volume{Name: cacheName, EmptyDir: &struct{}{}})
		c.VolumeMounts = append(c.VolumeMounts, volumeMount{cacheName, cacheDir})
		c.Resources.Requests["ephemeral-storage"] = fmt.Sprintf("%dMi", cacheMB)
	}
	return job{
		APIVersion: "batch/v1", Kind: "Job", Metadata: metadata{GenerateName: "vmtest-" + name + kind, Labels: labels},
		Spec: jobSpec{
			TTLSecondsAfterFinished: kept, Template: template{Metadata: metadata{Labels: labels}, Spec: pod},
			PodFailurePolicy: failurePolicy{[]failureRule{{Action: "Ignore", OnPodConditions: []podCondition{{"DisruptionTarget", "True"}}}}},
		},
	}
}

// resourcesOf returns what a container asks for. It may use more CPU than that where there is some,
// and no more memory.
func resourcesOf(g cells.Grant) resources {
	memory := fmt.Sprintf("%dMi", g.MemoryMB)
	r := resources{Requests: map[string]string{"cpu": fmt.Sprint(g.Cores), "memory": memory}, Limits: map[string]string{"memory": memory}}
	if g.KVM {
		r.Requests[kvmResource], r.Limits[kvmResource] = "1", "1"
	}
	return r
}

// longest is how many characters of the name of a night the name of a Job has: 63 less those of
// "vmtest-", the number of the Job, what the API server appends, and the index of a pod.
const longest = 36

var otherRE = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf makes of the name of a night a part of the name of a Job.
func nameOf(night string) string {
	name := otherRE.ReplaceAllString(strings.ToLower(night), "-")
	return strings.Trim(name[:min(len(name), longest)], "-")
}
