// SPDX-License-Identifier: BSD-3-Clause

package kubernetes

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The members of a Job that the manifests have, with the names of the API batch/v1.
type (
	job struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Spec       jobSpec  `yaml:"spec"`
	}

	metadata struct {
		GenerateName string            `yaml:"generateName,omitempty"` // the API server appends five characters
		Labels       map[string]string `yaml:"labels"`
	}

	jobSpec struct {
		CompletionMode          string        `yaml:"completionMode,omitempty"`
		Completions             int           `yaml:"completions,omitempty"`
		Parallelism             int           `yaml:"parallelism,omitempty"`
		BackoffLimit            *int          `yaml:"backoffLimit,omitempty"`
		BackoffLimitPerIndex    *int          `yaml:"backoffLimitPerIndex,omitempty"`
		PodFailurePolicy        failurePolicy `yaml:"podFailurePolicy"`
		TTLSecondsAfterFinished int           `yaml:"ttlSecondsAfterFinished"`
		Template                template      `yaml:"template"`
	}

	failurePolicy struct {
		Rules []failureRule `yaml:"rules"`
	}

	failureRule struct {
		Action          string         `yaml:"action"`
		OnExitCodes     *exitCodes     `yaml:"onExitCodes,omitempty"`
		OnPodConditions []podCondition `yaml:"onPodConditions,omitempty"`
	}

	exitCodes struct {
		ContainerName string `yaml:"containerName"`
		Operator      string `yaml:"operator"`
		Values        []int  `yaml:"values,flow"`
	}

	podCondition struct {
		Type   string `yaml:"type"`
		Status string `yaml:"status"`
	}

	template struct {
		Metadata metadata `yaml:"metadata"`
		Spec     podSpec  `yaml:"spec"`
	}

	podSpec struct {
		RestartPolicy                 string      `yaml:"restartPolicy"`
		ActiveDeadlineSeconds         int         `yaml:"activeDeadlineSeconds,omitempty"`
		TerminationGracePeriodSeconds int         `yaml:"terminationGracePeriodSeconds"`
		AutomountServiceAccountToken  bool        `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            bool        `yaml:"enableServiceLinks"`
		SecurityContext               user        `yaml:"securityContext"`
		Containers                    []container `yaml:"containers"`
		Volumes                       []volume    `yaml:"volumes"`
	}

	user struct {
		RunAsUser  int `yaml:"runAsUser"`
		RunAsGroup int `yaml:"runAsGroup"`
	}

	container struct {
		Name         string        `yaml:"name"`
		Image        string        `yaml:"image"`
		Command      []string      `yaml:"command,flow"`
		Env          []variable    `yaml:"env"`
		Resources    resources     `yaml:"resources"`
		VolumeMounts []volumeMount `yaml:"volumeMounts"`
	}

	variable struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	}

	resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	}

	volumeMount struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
	}

	volume struct {
		Name                  string       `yaml:"name"`
		PersistentVolumeClaim *volumeClaim `yaml:"persistentVolumeClaim,omitempty"`
		EmptyDir              *struct{}    `yaml:"emptyDir,omitempty"`
	}

	volumeClaim struct {
		ClaimName string `yaml:"claimName"`
	}
)

// manifest writes Jobs as one file. The comment is its first line.
func manifest(comment string, jobs ...job) (string, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# %s\n", comment)
	out := yaml.NewEncoder(&text)
	out.SetIndent(2)
	for _, j := range jobs {
		if err := out.Encode(j); err != nil {
			return "", err
		}
	}
	if err := out.Close(); err != nil {
		return "", err
	}
	return text.String(), nil
}
