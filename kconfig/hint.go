// SPDX-License-Identifier: BSD-3-Clause

package kconfig

import (
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"

	"timens-vmtest/internal/nearest"
)

// Hints explains, for each lost option, why the kernel tree refused it: which conditions of
// its Kconfig entry the .config does not meet. A hint is empty if the Kconfig files do not
// explain the loss.
func Hints(tree string, dotconfig []byte, lost []Lost) []string {
	all := make([]string, len(lost))
	m, err := modelOf(tree)
	if err != nil {
		for i := range all {
			all[i] = fmt.Sprintf("cannot be explained, because the Kconfig files cannot be read: %v", err)
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

// modelOf reads the Kconfig files of the tree in a folder. A link that leads out of the tree is an error.
func modelOf(tree string) (model, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return model{}, err
	}
	defer root.Close()
	return readModel(root.ReadFile)
}

// hints holds the Kconfig files of a tree, and the values of a .config that the tree made.
type hints struct {
	model
	values values
}

// of returns why a symbol does not have the requested value.
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
		all = append(all, noPrompt+h.selectedBy(name))
	}
	return all
}

// tooHigh returns why a symbol has more than the requested value, such as y and not n.
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
		return append(all, noPrompt)
	}
	if e.only.text != "" && h.values.eval(parseExpr(e.only.text)) == off {
		all = append(all, fmt.Sprintf("can be chosen only if %s (%s)%s", e.only.text, e.only, h.because(e.only.text, module)))
	}
	return all
}

// needOf returns the least value that the conditions of an entry must have, so that the
// symbol can have a value.
func needOf(e *entry, value string) int {
	if e.kind == "tristate" && value == "y" {
		return on
	}
	return module
}

// best returns the definition of a symbol that is easiest to meet: one with a prompt whose
// conditions are met, else one with a prompt, else the first.
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
	if found.kind == "" { // another definition has the type
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

// unmetNeeds returns the conditions of an entry whose values are below need.
func (h hints) unmetNeeds(e *entry, need int) []place {
	var all []place
	for _, p := range e.needs {
		if got := h.values.eval(parseExpr(p.text)); got != unknown && got < need && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// maxChain limits how many symbols a hint explains. The hint of the next try explains more.
const maxChain = 4

// unmet explains which conditions of an entry are not met, and why the symbols in these
// conditions are off.
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

// chain explains why a symbol that another one depends on is off.
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
		return []string{fmt.Sprintf("%s can be set: also ask for CONFIG_%s=y", name, name)}
	}
	return []string{name + " " + noPrompt + h.selectedBy(name)}
}

// because lists the parts of a condition that are not met.
func (h hints) because(text string, need int) string {
	var all []string
	for _, n := range h.values.unmet(parseExpr(text), need) {
		all = append(all, h.values.say(n))
	}
	if all == nil {
		return ""
	}
	return ", but " + strings.Join(all, ", ")
}

// noPrompt is the hint for a symbol that no .config can request.
const noPrompt = "has no prompt, so only a select or its default can set it"

// selectedBy lists up to three of the symbols that select a symbol.
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
	return "; it is selected by " + strings.Join(all, ", ")
}

// noModule returns why a symbol cannot be m, if m was requested.
func (h hints) noModule(e *entry, value string) string {
	switch {
	case value != "m":
		return ""
	case e.kind == "bool":
		return "is a bool, which cannot be m: ask for y"
	case h.values.of("MODULES") == "n":
		return "cannot be m, because MODULES is n: ask for y, or also ask for CONFIG_MODULES=y"
	}
	return ""
}

var rangeRE = regexp.MustCompile(`^(\S+)\s+(\S+?)(?:\s+if\s+(.+))?$`)

// outOfRange returns why the kernel tree refuses a number.
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
			return []string{fmt.Sprintf("must be from %s to %s (%s), not %s", m[1], m[2], p, value)}
		}
		return nil // only the first range whose condition holds counts
	}
	return nil
}

// otherChoice returns which other member of the symbol's choice is set.
func (h hints) otherChoice(e *entry) []string {
	if e.choice == nil {
		return nil
	}
	for _, member := range e.choice.members {
		if member != e.name && h.values.of(member) == "y" {
			return []string{fmt.Sprintf("belongs to a choice (%s) of which only one member can be set, and %s is set: do not ask for CONFIG_%s", e.choice.place, member, member)}
		}
	}
	return nil
}

// unknown explains a symbol that no Kconfig file of this architecture defines.
func (h hints) unknown(tree, name string) string {
	if where := otherArch(tree, name); where != "" {
		return fmt.Sprintf("is an option of another architecture (%s), but this kernel is for %s", where, srcArch)
	}
	text := "is defined by no Kconfig file of this tree: is it misspelt, renamed, or added by a patch that is missing?"
	if near := h.nearest(name); near != "" {
		text += fmt.Sprintf(" The nearest name is CONFIG_%s", near)
	}
	return text
}

// otherArch returns the place where another architecture defines a symbol.
func otherArch(tree, name string) string {
	found := ""
	entry := regexp.MustCompile(`^\s*(?:menu)?config\s+` + regexp.QuoteMeta(name) + `\s*$`)
	root, err := os.OpenRoot(tree)
	if err != nil {
		return ""
	}
	defer root.Close()
	// An error is ignored: a file that cannot be read cannot explain anything.
	_ = fs.WalkDir(root.FS(), "arch", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), "Kconfig") {
			return nil
		}
		text, _ := root.ReadFile(path)
		for _, l := range joinLines(path, text) {
			if entry.MatchString(l.text) {
				found = l.String()
				return fs.SkipAll
			}
		}
		return nil
	})
	return found
}

// nearest returns the symbol with the most similar name, or "" if no name is similar.
func (h hints) nearest(name string) string {
	best, least := "", len(name)/4+1
	for other := range h.entries {
		if d := nearest.Distance(name, other); d < least || d == least && best != "" && other < best {
			best, least = other, d
		}
	}
	return best
}
