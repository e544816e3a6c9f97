// SPDX-License-Identifier: BSD-3-Clause

package nightly

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/internal/blame"
	"timens-vmtest/vmtest/cells"
	"timens-vmtest/vmtest/history"
	"timens-vmtest/vmtest/verdict"
)

// Found is what the folder of a night has of the cells that its list names.
type Found struct {
	Night   string         // name of the night
	Cells   []history.Cell // those that are there, in the order of the list. One that cannot count is unjudged, and its Trouble says why
	Absent  []string       // names of those that are not there
	Foreign []string       // each is a sentence about a cell that the list does not name
	Mixed   []string       // each is a sentence about what the cells of one night should share, and do not
}

// place is a folder that a cell has left.
type place struct {
	path string // relative to the folder of the night
	ran  ran
}

// Examine judges all cells of the list that are in the folder.
func (f Folder) Examine() (Found, error) {
	list, err := cells.Load(f.Dir)
	if err != nil {
		return Found{}, err
	}
	if len(list) == 0 {
		return Found{}, blame.Usagef("%s has no %s, so nothing says which cells should be there; give the folder of a night, which \"vmtest cells -out DIR\" or \"vmtest nightly -out DIR\" makes", f.Dir, cells.File)
	}
	places, foreign, err := f.places()
	if err != nil {
		return Found{}, err
	}
	found := Found{Night: list[0].Night, Foreign: foreign, Mixed: mixed(list)}
	for _, l := range list {
		at := places[l.ID]
		delete(places, l.ID)
		if at == nil {
			found.Absent = append(found.Absent, l.ID)
			continue
		}
		c, err := f.judge(at[0].path, at[0].ran)
		if err != nil {
			return found, err
		}
		c.Folder = at[0].path
		if why := wrong(l, at); why != "" {
			c = history.Cell{Name: l.ID, Verdict: verdict.Unjudged.String(), Trouble: why, Folder: c.Folder, Began: c.Began, CostS: c.CostS, Inputs: c.Inputs}
		}
		found.Cells = append(found.Cells, c)
	}
	for id, at := range places {
		found.Foreign = append(found.Foreign, fmt.Sprintf("%s is the folder of the cell %s, which the list does not name", at[0].path, id))
	}
	slices.Sort(found.Foreign)
	versions(found.Cells)
	return found, nil
}

// places finds the folders of all cells, by the names of the cells. A file of a cell that cannot
// be read is that of no cell of the list.
func (f Folder) places() (all map[string][]place, foreign []string, err error) {
	all = make(map[string][]place)
	err = filepath.WalkDir(f.Dir, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(f.Dir, path)
		switch {
		case err != nil:
			return err
		case relErr != nil:
			return relErr
		case !d.IsDir():
			return nil
		case rel == runningDir, notOfCells(rel):
			return filepath.SkipDir
		case !verdict.Exists(filepath.Join(path, RanFile)):
			return nil
		}
		r, err := readRan(path)
		if err != nil {
			foreign = append(foreign, fmt.Sprintf("%s cannot be read: %v", rel, err))
			return filepath.SkipDir
		}
		all[r.ID] = append(all[r.ID], place{rel, r})
		return filepath.SkipDir
	})
	return all, foreign, err
}

// wrong says why a cell that is there cannot count; "" if it can.
func wrong(l cells.Line, at []place) string {
	r := at[0].ran
	switch {
	case len(at) > 1:
		var paths []string
		for _, p := range at {
			paths = append(paths, p.path)
		}
		return fmt.Sprintf("it is there %d times, in %s; remove all but one", len(at), strings.Join(paths, " and "))
	case at[0].path != l.ID:
		return fmt.Sprintf("it is in the folder %s, and not in its own", at[0].path)
	case r.Night != "" && r.Night != l.Night:
		return fmt.Sprintf("it is of the night %s", r.Night)
	}
	if diff := cells.Differences(l.Keys, r.Keys); diff != nil {
		return "it was made of something else; remove its folder to run it again: " + strings.Join(diff, "; ")
	}
	return ""
}

// versions takes the verdict from cells whose base has the same name as that of an earlier cell,
// and is another version of it: two machines can have fetched two versions of one package.
func versions(all []history.Cell) {
	first := make(map[string]history.Cell)
	for i, c := range all {
		base, _, _ := strings.Cut(c.Name, "/")
		if c.Inputs.Package == "" || c.Verdict == verdict.Unjudged.String() {
			continue
		}
		other, ok := first[base]
		if !ok {
			first[base] = c
		} else if c.Inputs.Package != other.Inputs.Package {
			all[i].Stage, all[i].Verdict, all[i].Tests = history.StageNone, verdict.Unjudged.String(), nil
			all[i].Trouble = fmt.Sprintf("it was made of %s, and %s of %s", c.Inputs.Package, other.Name, other.Inputs.Package)
		}
	}
}

// mixed names what is not the same for all cells of a list: a night that was interrupted may go on
// with another checkout. Each cell has the verdict of what it was made of.
func mixed(list []cells.Line) []string {
	var all []string
	for _, key := range cells.Shared {
		count := make(map[string]int)
		for _, l := range list {
			count[l.Keys[key]]++
		}
		if len(count) < 2 {
			continue
		}
		var each []string
		for _, value := range slices.Sorted(maps.Keys(count)) {
			each = append(each, fmt.Sprintf("%s of %s", plural(count[value], "cell"), cmp.Or(value, "none")))
		}
		all = append(all, fmt.Sprintf("the night has more than one %s: %s", key, strings.Join(each, ", ")))
	}
	return all
}

// Verdict is what all cells come to together. It is never Passed if a cell is absent or foreign.
func (f Found) Verdict() verdict.Verdict {
	v := verdict.Passed
	if len(f.Absent)+len(f.Foreign)+len(f.Cells) == 0 || len(f.Absent)+len(f.Foreign) > 0 {
		v = verdict.Unjudged
	}
	for _, c := range f.Cells {
		v = v.Worse(VerdictOf(c))
	}
	return v
}

// Lines says in lines what became of each cell of the list, and what else was found.
func (f Found) Lines() []string {
	var all []string
	for _, c := range f.Cells {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s: %s, %s", c.Name, c.Verdict, c.Trouble), ", "))
	}
	for _, id := range f.Absent {
		all = append(all, id+": absent")
	}
	return slices.Concat(all, f.Foreign, f.Mixed)
}
