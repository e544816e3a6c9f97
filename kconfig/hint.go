// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/nearest"
)

// Hints explains, for each option that was lost, why the kernel tree has refused it: what
// its Kconfig files say of it, and which part of that the .config does not meet. A hint is
// empty if the files explain nothing.
func Hints(tree string, dotconfig []byte, lost []Lost) []string {
	all := make([]string, len(lost))
	m, err := readModel(tree)
	if err != nil {
		for i := range all {
			all[i] = fmt.Sprintf("cannot be explained: its Kconfig entry could not be read: %v", err)
		}
		return all
	}
	h := hints{m, parseValues(dotconfig)}
	for i, l := range lost {
		name := strings.TrimPrefix(l.Name, "CONFIG_")
		if m.entries[name] == nil {
			all[i] = h.unknown(tree, name)
			continue
		}
		all[i] = strings.Join(h.of(name, l), "; ")
	}
	return all
}

// hints is what is known of a .config and of the Kconfig files that it was made by.
type hints struct {
	model
	values values
}

// of is why a symbol has not the value that was asked for.
func (h hints) of(name string, l Lost) []string {
	e := h.best(name, level(l.Value))
	if l.Value == "n" || level(l.Got) > level(l.Value) {
		return h.tooHigh(name, e, l)
	}
	var all []string
	if text := h.noModule(e, l.Value); text != "" {
		all = append(all, text)
	}
	all = append(all, h.unmet(e, needOf(e, l.Value), map[string]bool{name: true})...)
	if all == nil {
		all = append(all, h.outOfRange(e, l.Value)...)
		all = append(all, h.otherChoice(e)...)
	}
	if !e.prompt {
		all = append(all, "it has no prompt, so only a select or its default sets it"+h.selectedBy(name))
	}
	return all
}

// tooHigh is why a symbol is set that was to be off.
func (h hints) tooHigh(name string, e *entry, l Lost) []string {
	var all []string
	for _, s := range h.selectors[name] {
		if h.values.word(s.text) != off {
			all = append(all, fmt.Sprintf("%s, which is %s, selects it (%s)", s.text, h.values.of(s.text), s))
		}
	}
	if text := h.noModule(e, l.Value); text != "" {
		all = append(all, text)
	}
	if !e.prompt {
		return append(all, "it has no prompt, so only a select or its default sets it")
	}
	if e.only.text != "" && h.values.eval(parseExpr(e.only.text)) == off {
		all = append(all, fmt.Sprintf("can be chosen only if %s (%s)%s", e.only.text, e.only, h.because(e.only.text, module)))
	}
	return all
}

// needOf is what the conditions of an entry have to come to for a value.
func needOf(e *entry, value string) int {
	if e.kind == "tristate" && value == "y" {
		return on
	}
	return module
}

// best is the definition of a symbol that comes nearest to what is needed.
func (h hints) best(name string, need int) *entry {
	found := h.entries[name][0]
	for _, e := range h.entries[name] {
		if e.prompt && !found.prompt {
			found = e
		}
		if e.prompt && len(h.unmetNeeds(e, need)) == 0 {
			found = e
			break
		}
	}
	if found.kind == "" { // another definition says it
		for _, e := range h.entries[name] {
			if e.kind != "" {
				with := *found
				with.kind = e.kind
				return &with
			}
		}
	}
	return found
}

// unmetNeeds are the conditions of an entry that keep it below what is needed.
func (h hints) unmetNeeds(e *entry, need int) []place {
	var all []place
	for _, p := range e.needs {
		if got := h.values.eval(parseExpr(p.text)); got != unknown && got < need && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// maxChain is how many symbols in a row a hint goes through: what is behind them shows in
// the next try.
const maxChain = 4

// unmet says which conditions keep an entry off, and what keeps off the symbols in them.
func (h hints) unmet(e *entry, need int, seen map[string]bool) []string {
	var all []string
	var behind []string
	for _, p := range h.unmetNeeds(e, need) {
		all = append(all, fmt.Sprintf("depends on %s (%s)%s", p.text, p, h.because(p.text, need)))
		for _, n := range h.values.unmet(parseExpr(p.text), need) {
			behind = append(behind, symbols(n)...)
		}
	}
	if e.only.text != "" {
		if got := h.values.eval(parseExpr(e.only.text)); got == off {
			all = append(all, fmt.Sprintf("can be chosen only if %s (%s)%s", e.only.text, e.only, h.because(e.only.text, module)))
			for _, n := range h.values.unmet(parseExpr(e.only.text), module) {
				behind = append(behind, symbols(n)...)
			}
		}
	}
	for _, name := range behind {
		if seen[name] || len(seen) > maxChain {
			continue
		}
		seen[name] = true
		all = append(all, h.chain(name, need, seen)...)
	}
	return all
}

// chain says what keeps off a symbol that another one depends on.
func (h hints) chain(name string, need int, seen map[string]bool) []string {
	if h.entries[name] == nil {
		return []string{name + " is defined by no Kconfig file of this architecture"}
	}
	e := h.best(name, need)
	deeper := h.unmet(e, need, seen)
	for i, text := range deeper {
		if strings.HasPrefix(text, "depends on ") || strings.HasPrefix(text, "can be ") {
			deeper[i] = name + " " + text
		}
	}
	switch {
	case deeper != nil:
		return deeper
	case e.prompt:
		return []string{fmt.Sprintf("%s can be set: ask for CONFIG_%s=y as well", name, name)}
	}
	return []string{name + " has no prompt, so only a select or its default sets it" + h.selectedBy(name)}
}

// because names the parts of a condition that are not met, unless it is one part alone.
func (h hints) because(text string, need int) string {
	var all []string
	for _, n := range h.values.unmet(parseExpr(text), need) {
		all = append(all, h.values.say(n))
	}
	if all == nil {
		return ""
	}
	return ", and " + strings.Join(all, ", ")
}

// selectedBy names some of the symbols that select one.
func (h hints) selectedBy(name string) string {
	var all []string
	for _, s := range h.selectors[name] {
		if len(all) == 3 {
			all = append(all, fmt.Sprintf("%d more", len(h.selectors[name])-3))
			break
		}
		all = append(all, fmt.Sprintf("%s (%s)", s.text, s))
	}
	if all == nil {
		return ""
	}
	return ": those that select it are " + strings.Join(all, ", ")
}

// noModule is why a symbol cannot be m.
func (h hints) noModule(e *entry, value string) string {
	switch {
	case value != "m":
		return ""
	case e.kind == "bool":
		return "is a bool, which cannot be m: ask for y"
	case h.values.of("MODULES") == "n":
		return "cannot be m, as MODULES is n: ask for y, or for CONFIG_MODULES=y as well"
	}
	return ""
}

var rangeRE = regexp.MustCompile(`^(\S+)\s+(\S+?)(?:\s+if\s+(.+))?$`)

// outOfRange is why a number is not taken.
func (h hints) outOfRange(e *entry, value string) []string {
	number := func(word string) (*big.Int, bool) {
		if isSymbol(word) && h.entries[word] != nil {
			word = h.values.of(word)
		}
		if e.kind == "hex" && !strings.HasPrefix(word, "0x") {
			word = "0x" + word
		}
		return new(big.Int).SetString(word, 0)
	}
	got, ok := number(value)
	if e.kind != "int" && e.kind != "hex" || !ok {
		return nil
	}
	for _, p := range e.ranges {
		m := rangeRE.FindStringSubmatch(p.text)
		if m == nil || m[3] != "" && h.values.eval(parseExpr(m[3])) == off {
			continue
		}
		low, lok := number(m[1])
		high, hok := number(m[2])
		if lok && hok && (got.Cmp(low) < 0 || got.Cmp(high) > 0) {
			return []string{fmt.Sprintf("takes values from %s to %s, and %s is none (%s)", m[1], m[2], value, p)}
		}
		return nil // the first whose condition holds counts
	}
	return nil
}

// otherChoice is which member of a choice is set instead.
func (h hints) otherChoice(e *entry) []string {
	if e.choice == nil {
		return nil
	}
	for _, member := range e.choice.members {
		if member != e.name && h.values.of(member) == "y" {
			return []string{fmt.Sprintf("is one of a choice (%s) in which %s is set: only one can be, so do not ask for CONFIG_%s", e.choice.place, member, member)}
		}
	}
	return nil
}

// unknown is of a symbol that no Kconfig file of this architecture defines.
func (h hints) unknown(tree, name string) string {
	if where := otherArch(tree, name); where != "" {
		return fmt.Sprintf("is an option of another architecture (%s), and this is a kernel for %s", where, srcArch)
	}
	text := "is defined by no Kconfig file of this tree: is it misspelt, renamed, or added by a patch that is missing?"
	if near := h.nearest(name); near != "" {
		text += fmt.Sprintf(" The nearest name is CONFIG_%s", near)
	}
	return text
}

// otherArch is where another architecture defines a symbol.
func otherArch(tree, name string) string {
	found := ""
	entry := regexp.MustCompile(`^\s*(?:menu)?config\s+` + regexp.QuoteMeta(name) + `\s*$`)
	root, err := os.OpenRoot(tree)
	if err != nil {
		return ""
	}
	defer root.Close()
	// What cannot be read explains nothing.
	_ = fs.WalkDir(root.FS(), "arch", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "Kconfig") {
			return nil
		}
		lines, err := readLines(root, filepath.FromSlash(path))
		for _, l := range lines {
			if err == nil && entry.MatchString(l.text) {
				found = l.String()
				return fs.SkipAll
			}
		}
		return nil
	})
	return found
}

// nearest is the symbol whose name differs least, if that is little.
func (h hints) nearest(name string) string {
	best, least := "", len(name)/4+1
	for other := range h.entries {
		if d := nearest.Distance(name, other); d < least || d == least && best != "" && other < best {
			best, least = other, d
		}
	}
	return best
}
