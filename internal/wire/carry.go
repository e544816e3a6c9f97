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

// LeaveEnv is the environment variable with the path of a folder in which a test may
// leave files for a test of a later guest; see Test.After. The test has to make the
// folder.
const LeaveEnv = "VMTEST_LEAVE"

// LeftEnv is the environment variable in which a test of a later guest finds the folder
// of the files that an earlier test left for it.
const LeftEnv = "VMTEST_LEFT"

// CarriedDir is the folder of all files that tests have left, each named
// "<package>/<test>/<file>". Only a later guest has it.
const CarriedDir = "/carried"

// CarriedLimit is the size, in bytes, of the largest file that a test may leave.
const CarriedLimit = 256 << 10

// Carried holds the contents of files that tests have left, by their names below
// CarriedDir.
type Carried map[string][]byte

// CarriedName returns the name below CarriedDir of a file that a test has left. If file
// is empty, it returns the name of the test's folder.
func CarriedName(id TestID, file string) string { return path.Join(id.Package, id.Name, file) }

// Add adds the file of a record of the type left. It is an error if the test has left a
// file of that name before.
func (c Carried) Add(r Record) error {
	name := CarriedName(*r.TestID, r.Path)
	if _, ok := c[name]; ok {
		return fmt.Errorf("%s leaves %s twice", r.TestID, r.Path)
	}
	c[name] = r.Data
	return nil
}

// Of returns the names below CarriedDir of the files that a test has left, in no
// particular order.
func (c Carried) Of(id TestID) []string {
	var names []string
	for name := range c {
		if path.Dir(name) == CarriedName(id, "") {
			names = append(names, name)
		}
	}
	return names
}

// Digest returns a SHA-256, in hex, of the names and contents of all files. It returns
// "" if there are no files.
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

// plain reports whether a test can leave a file of this name: a name without a folder.
func plain(name string) bool { return filepath.IsLocal(name) && name == path.Base(name) && name != "." }

// Later returns the index of the first test that is for a later guest. It returns the
// number of tests if no test is.
func (p Plan) Later() int {
	n := slices.IndexFunc(p.Tests, func(t Test) bool { return t.After != "" })
	if n < 0 {
		return len(p.Tests)
	}
	return n
}

// Part returns the tests of a guest that begins with the test of index from. An earlier
// guest ends before the tests for a later guest. A later guest runs all that are left.
func (p Plan) Part(from int) []Test {
	if later := p.Later(); from < later {
		return p.Tests[from:later]
	}
	return p.Tests[from:]
}
