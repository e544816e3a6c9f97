# SPDX-License-Identifier: BSD-3-Clause
# Completes vmtest's verbs, flags, and their values: source <(bin/vmtest completion bash)
_vmtest() {
	local program=${COMP_WORDS[0]}
	case $program in
	'~/'*) program=$HOME/${program#'~/'} ;;
	esac
	mapfile -t COMPREPLY < <("$program" completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _vmtest vmtest
