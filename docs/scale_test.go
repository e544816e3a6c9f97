// SPDX-License-Identifier: BSD-3-Clause

package docs

import (
	"testing"

	"timens-vmtest/docs/docstest"
	"timens-vmtest/vmtest/scale"
)

// The tables of the plan past this machine are those of the recorded costs and of the simulation.
func TestTablesOfScale(t *testing.T) {
	costs, err := scale.Recorded()
	if err != nil {
		t.Fatal(err)
	}
	const how = "go test ./docs -update"
	docstest.Hold(t, "scale.md", "<!-- from vmtest/scale/recorded.json; go test ./docs -update rewrites it -->\n", scale.CostTable(costs), *update, how)
	docstest.Hold(t, "scale.md", "<!-- from vmtest/scale; go test ./docs -update rewrites it -->\n", scale.Table(costs), *update, how)
}
