// SPDX-License-Identifier: BSD-3-Clause

package verdict

import (
	"fmt"
	"path/filepath"
)

// PairFile has a Pair. A folder with this file has two runs to compare.
const PairFile = "pair.json"

// Pair names the folders of the two runs.
type Pair struct {
	Base   string `json:"base"`
	Series string `json:"series"`
}

// LoadPair reads the names of the two runs in a folder.
func LoadPair(dir string) (Pair, error) {
	path := filepath.Join(dir, PairFile)
	var names *Pair
	switch err := LoadJSON(path, &names); {
	case err != nil:
		return Pair{}, err
	case names == nil:
		return Pair{}, fmt.Errorf("there is no %s: this is not the folder of a comparison, or the comparison was cut off at its start", path)
	case names.Base == names.Series:
		return Pair{}, fmt.Errorf("%s: %q cannot be compared with itself", path, names.Base)
	}
	for _, name := range []string{names.Base, names.Series} {
		if !filepath.IsLocal(name) { // nor is an empty name
			return Pair{}, fmt.Errorf("%s: %q is not the name of a folder in this folder", path, name)
		}
	}
	return *names, nil
}

// PairEvidence is the contents of the folder of a comparison.
type PairEvidence struct{ Base, Series Evidence }

// LoadComparison reads the two runs in a folder.
func LoadComparison(dir string) (PairEvidence, error) {
	names, err := LoadPair(dir)
	if err != nil {
		return PairEvidence{}, err
	}
	var e PairEvidence
	if e.Base, err = Load(filepath.Join(dir, names.Base)); err == nil {
		e.Series, err = Load(filepath.Join(dir, names.Series))
	}
	return e, err
}
