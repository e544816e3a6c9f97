#!/bin/sh
# "vmtest kubernetes" wrote this script. It submits the night 2026-11-27, waits until its Jobs have ended,
# however they have ended, and submits the Job that judges.
jobs=$(kubectl --namespace=ci create -o name -f /srv/nights/nights/2026-11-27/kubernetes/jobs.yaml) || {
	test -z "$jobs" || kubectl --namespace=ci delete $jobs
	exit 4
}
echo "submitted" $jobs
for job in $jobs; do
	# A Job that was deleted has no state. One that cannot be asked for is asked for again.
	until state=$(kubectl --namespace=ci get --ignore-not-found -o 'jsonpath=:{.status.conditions[*].type}' "$job") &&
		case $state in "" | *Complete* | *Failed*) ;; *) false ;; esac; do
		sleep 10
	done
done
exec kubectl --namespace=ci create -f /srv/nights/nights/2026-11-27/kubernetes/merge.yaml
