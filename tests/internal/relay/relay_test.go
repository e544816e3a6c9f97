// SPDX-License-Identifier: BSD-3-Clause

package relay

import (
	"path/filepath"
	"reflect"
	"testing"

	"timens-vmtest/internal/wire"
)

func TestLeaveAndFind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "left")
	t.Setenv(wire.LeaveEnv, dir)
	t.Setenv(wire.LeftEnv, dir)
	Need(t)
	want := map[string]int64{"a": 1<<63 - 1, "b": -1}
	Leave(t, map[string]int64{})
	Leave(t, want) // as the earlier test
	if got := Find[map[string]int64](t); !reflect.DeepEqual(got, want) {
		t.Errorf("left %v, found %v", want, got)
	}
}
