// SPDX-License-Identifier: BSD-3-Clause

package generate

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// mask returns code as the grammar can read it: what the preprocessor leaves out, its
// directives, comments and attributes become spaces, macros that stand for a statement or a
// definition become such. Each byte that stays has its place, so that an edit can be made
// in the text itself. loops has the places of loops that are macros.
func mask(text string, known *conditions) (code []byte, loops map[int]bool, err error) {
	code = []byte(text)
	blankComments(code)
	if err := blankDirectives(code, known); err != nil {
		return nil, nil, err
	}
	for _, at := range wordRE.FindAllIndex(code, -1) {
		blank(code, at[0], at[1])
	}
	for _, at := range attributeRE.FindAllIndex(code, -1) {
		blank(code, at[0], closing(code, at[1]-1))
	}
	for _, m := range autoRE.FindAllSubmatchIndex(code, -1) {
		copy(code[m[2]:m[3]], "int ")
	}
	for _, m := range rangeRE.FindAllSubmatchIndex(code, -1) {
		blank(code, m[2], m[3])
	}
	maskTypes(code)
	maskSyscalls(code)
	return code, maskLoops(code), nil
}

// wordRE has attributes that the kernel has as macros. attributeRE has those with arguments,
// and assertions of the compiler.
var (
	wordRE      = regexp.MustCompile(`\b(__user|__init|__exit|__initdata|__initconst|__rcu|__iomem|__percpu|__force|__kernel|__must_check|__maybe_unused|__always_unused|__always_inline|__ro_after_init|__read_mostly|__cold|__hot|__weak|__pure|__visible|__latent_entropy|__cacheline_aligned|____cacheline_aligned_in_smp|__randomize_layout|__nonstring|__private|__sched|__no_kcsan|__no_sanitize_address|notrace|noinline|noinline_for_stack|asmlinkage|__noreturn|__bpf_kfunc)\b`)
	attributeRE = regexp.MustCompile(`\b(__attribute__|__free|__releases|__acquires|__must_hold|__cond_acquires|__cond_releases|__section|__aligned|__printf|__counted_by|__guarded_by|__cleanup|__context_unsafe|BUILD_BUG_ON|static_assert)\s*\(`)
	syscallRE   = regexp.MustCompile(`(?m)^((?:COMPAT_)?SYSCALL_DEFINE\d)\((\w+)`)
	autoRE      = regexp.MustCompile(`\b(auto)\s`)
	rangeRE     = regexp.MustCompile(`\bcase \w+\s*(\.\.\.\s*\w+)\s*:`)
	whileEachRE = regexp.MustCompile(`\bwhile_each_\w+\(`)
	callRE      = regexp.MustCompile(`\b([a-z_]\w{4,})\s*\(`)
)

// blank replaces all but the ends of lines by spaces.
func blank(code []byte, begin, end int) {
	for i := begin; i < end; i++ {
		if code[i] != '\n' {
			code[i] = ' '
		}
	}
}

func blankComments(code []byte) {
	for i := 0; i < len(code); i++ {
		switch {
		case code[i] == '"' || code[i] == '\'':
			quote := code[i]
			for i++; i < len(code) && code[i] != quote && code[i] != '\n'; i++ {
				if code[i] == '\\' {
					i++
				}
			}
		case bytes.HasPrefix(code[i:], []byte("/*")):
			end := len(code)
			if n := bytes.Index(code[i+2:], []byte("*/")); n >= 0 {
				end = i + n + 4
			}
			blank(code, i, end)
			i = end - 1
		case bytes.HasPrefix(code[i:], []byte("//")):
			for ; i < len(code) && code[i] != '\n'; i++ {
				code[i] = ' '
			}
		}
	}
}

var directiveRE = regexp.MustCompile(`^\s*#\s*(\w+)\s*(.*)`)

// blankDirectives does what the preprocessor would do with #if and its like. Other
// directives, macros among them, become spaces.
func blankDirectives(code []byte, known *conditions) error {
	var open []branch
	for begin := 0; begin < len(code); {
		end := lineEnd(code, begin)
		m := directiveRE.FindStringSubmatch(string(code[begin:end]))
		if m == nil {
			if slices.ContainsFunc(open, func(b branch) bool { return !b.taken }) {
				blank(code, begin, end)
			}
			begin = end
			continue
		}
		for bytes.HasSuffix(bytes.TrimRight(code[begin:end], " \t\n"), []byte(`\`)) {
			end = lineEnd(code, end)
		}
		m = directiveRE.FindStringSubmatch(strings.ReplaceAll(string(code[begin:end]), "\\\n", "  "))
		var err error
		if open, err = conditional(open, m[1], strings.TrimSpace(m[2]), known); err != nil {
			return fmt.Errorf("line %d: %w", 1+bytes.Count(code[:begin], []byte("\n")), err)
		}
		blank(code, begin, end)
		begin = end
	}
	return nil
}

func lineEnd(code []byte, begin int) int {
	if n := bytes.IndexByte(code[begin:], '\n'); n >= 0 {
		return begin + n + 1
	}
	return len(code)
}

// branch is the part of an #if that is being read.
type branch struct {
	taken bool // the preprocessor leaves it
	done  bool // it or one before is taken
}

// conditional returns the open branches after a directive.
func conditional(open []branch, directive, rest string, known *conditions) ([]branch, error) {
	name, _, _ := strings.Cut(rest, " ")
	last := len(open) - 1
	if last < 0 && slices.Contains([]string{"elif", "else", "endif"}, directive) {
		return nil, fmt.Errorf("#%s has no #if", directive)
	}
	dead := slices.ContainsFunc(open, func(b branch) bool { return !b.taken })
	switch directive {
	case "ifdef":
		is := !dead && known.defined(name)
		return append(open, branch{is, is}), nil
	case "ifndef":
		is := !dead && !known.defined(name)
		return append(open, branch{is, is}), nil
	case "if":
		if dead {
			return append(open, branch{}), nil
		}
		is, err := known.holds(rest)
		return append(open, branch{is, is}), err
	case "elif":
		is, err := false, error(nil)
		if !open[last].done && !slices.ContainsFunc(open[:last], func(b branch) bool { return !b.taken }) {
			is, err = known.holds(rest)
		}
		open[last] = branch{is, is || open[last].done}
		return open, err
	case "else":
		open[last] = branch{!open[last].done, true}
	case "endif":
		return open[:last], nil
	}
	return open, nil
}

// closing returns the place after the parenthesis that closes the one at a place.
func closing(code []byte, at int) int {
	for depth := 0; at < len(code); at++ {
		switch code[at] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return len(code)
}

// A type with several words that is an argument. A cast has no comma beside it.
var typeREs = []*regexp.Regexp{regexp.MustCompile(`,\s*(` + typeWords + `)\s*[,)]`), regexp.MustCompile(`\(\s*(` + typeWords + `)\s*,`), regexp.MustCompile(`\w\((` + typeWords + `)\)`)}

const typeWords = `(?:struct|union|enum|unsigned|const|long)(?: \w+)+`

// maskTypes makes one word of a type that is an argument of a macro, such as container_of():
// a call of C has no types.
func maskTypes(code []byte) {
	for _, re := range typeREs {
		for m := re.FindSubmatchIndex(code); m != nil; m = re.FindSubmatchIndex(code) {
			copy(code[m[2]:m[3]], bytes.ReplaceAll(code[m[2]:m[3]], []byte(" "), []byte("_")))
		}
	}
}

// maskSyscalls makes functions of SYSCALL_DEFINEx(name, ...). Their name is that of a call
// trace, such as sys_clone, as far as it fits.
func maskSyscalls(code []byte) {
	for _, m := range syscallRE.FindAllSubmatchIndex(code, -1) {
		end := closing(code, m[3])
		head := "int sys_" + string(code[m[4]:m[5]]) + "()"
		if code[m[2]] == 'C' {
			head = "int compat_" + head[4:]
		}
		blank(code, m[0], end)
		copy(code[m[0]:end], head)
	}
}

// maskLoops makes while statements of macros that are followed by a block or a statement,
// such as for_each_thread(p, t) and scoped_guard(rcu), and do statements of do_each_pid_task().
func maskLoops(code []byte) map[int]bool {
	loops := make(map[int]bool)
	for _, m := range callRE.FindAllSubmatchIndex(code, -1) {
		name := string(code[m[2]:m[3]])
		line := code[bytes.LastIndexByte(code[:m[2]], '\n')+1 : m[2]]
		if slices.Contains([]string{"while", "switch", "return"}, name) || len(bytes.TrimSpace(line)) > 0 || len(line) == 0 {
			continue
		}
		end := closing(code, m[1]-1)
		after := bytes.TrimLeft(code[end:], " \t\n")
		likely := strings.Contains(name, "for_each") || strings.HasPrefix(name, "scoped_")
		if len(after) == 0 || after[0] != '{' && (!likely || strings.IndexByte(";,)", after[0]) >= 0) {
			continue
		}
		loops[m[2]] = true
		if strings.HasPrefix(name, "do_each") {
			blank(code, m[2], end)
			copy(code[m[2]:], "do")
			continue
		}
		blank(code, m[2], m[3])
		copy(code[m[2]:], "while")
	}
	for _, at := range whileEachRE.FindAllIndex(code, -1) {
		blank(code, at[0], closing(code, at[1]-1))
		copy(code[at[0]:], "while(0)")
	}
	return loops
}
