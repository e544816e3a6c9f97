// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
)

// LeaveEnv is the environment variable that names a folder, which does not yet
// exist, where a test may leave files for one that comes after it in a later
// guest; see Test.After.
const LeaveEnv = "VMTEST_LEAVE"

// LeftEnv is the one in which the later test finds the folder of those files.
const LeftEnv = "VMTEST_LEFT"

// CarriedDir is a later guest's folder of all files that tests have left,
// "<package>/<test>/<file>". No earlier guest has it.
const CarriedDir = "/carried"

// CarriedLimit is how many bytes a file may have that a test leaves.
const CarriedLimit = 256 << 10

// Carried are files that tests have left, by their names below CarriedDir.
type Carried map[string][]byte

// CarriedName is the name of a test's file, or with no file of its folder.
func CarriedName(id TestID, file string) string { return path.Join(id.Package, id.Name, file) }

// Add adds the file of a record. It is an error to leave one twice.
func (c Carried) Add(r Record) error {
	name := CarriedName(*r.TestID, r.Path)
	if _, ok := c[name]; ok {
		return fmt.Errorf("%s leaves %s twice", r.TestID, r.Path)
	}
	c[name] = r.Data
	return nil
}

// Of are the names of what a test has left.
func (c Carried) Of(id TestID) []string {
	var names []string
	for name := range c {
		if path.Dir(name) == CarriedName(id, "") {
			names = append(names, name)
		}
	}
	return names
}

// Digest identifies the files, by name and contents; it is empty for none.
func (c Carried) Digest() string {
	if len(c) == 0 {
		return ""
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(h, "%q %x\n", name, sha256.Sum256(c[name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// plain says that a test can leave a file of this name: it has no folder.
func plain(name string) bool { return filepath.IsLocal(name) && name == path.Base(name) && name != "." }

// Later is the index of the first test that is for a later guest, and the number
// of tests if none is.
func (p Plan) Later() int {
	n := slices.IndexFunc(p.Tests, func(t Test) bool { return t.After != "" })
	if n < 0 {
		return len(p.Tests)
	}
	return n
}

// Part are the tests of a guest that begins with test number from: up to those
// for a later guest, or if it is that one, all that are left.
func (p Plan) Part(from int) []Test {
	if later := p.Later(); from < later {
		return p.Tests[from:later]
	}
	return p.Tests[from:]
}
