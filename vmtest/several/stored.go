// SPDX-License-Identifier: BSD-3-Clause

package several

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timens-vmtest/vmtest/verdict"
)

// DigestOf returns the digest of a patch's text that PatchToCheck has.
func DigestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Presubmitted returns the folder of the last presubmit of exactly these patches among the results
// in a folder, and "" if there is none. It takes the digests of their texts.
func Presubmitted(results string, patches []string) (string, error) {
	found, err := fs.Glob(os.DirFS(results), "*/*/"+PresubmitFile)
	if err != nil {
		return "", err
	}
	slices.Sort(found) // the names of the runs begin with the time
	slices.Reverse(found)
	for _, file := range found {
		if strings.HasPrefix(file, "latest/") { // a link to one of the others
			continue
		}
		dir := filepath.Join(results, filepath.Dir(file))
		var facts *Presubmit
		var check *Check
		if verdict.LoadJSON(filepath.Join(results, file), &facts) != nil || verdict.LoadJSON(filepath.Join(dir, CheckFile), &check) != nil || check == nil || !facts.Done {
			continue // it is damaged, or still runs
		}
		var tested []string
		for _, p := range check.Patches {
			tested = append(tested, p.SHA256)
		}
		if slices.Equal(tested, patches) {
			return dir, nil
		}
	}
	return "", nil
}
