// SPDX-License-Identifier: BSD-3-Clause

package source

import (
	"testing"

	"timens-vmtest/internal/blame"
)

func TestNamed(t *testing.T) {
	for name, want := range map[string]Spec{
		"6.12":                            {Package: "linux-source-6.12"},
		"7.3":                             {Package: "linux-source-7.3"},
		"5.10":                            {Package: "linux-source-5.10"},
		"newest":                          {Package: Newest},
		"debian:linux-source-7.3":         {Package: "linux-source-7.3"},
		"debian:linux-source-7.3=7.3.4-1": {Package: "linux-source-7.3", Version: "7.3.4-1"},
	} {
		if got, err := Named(name); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{"", "mainline", "6", "6.", "6.12.1", "06.12", "6.012", "5.5", "4.19", "-1.2", "debian:linux-source-5.4", "debian:linux-source-5.5=5.5.1-1", "debian:", "debian:=1", "debian:a b", "../x"} {
		if got, err := Named(name); blame.Of(err) != blame.User {
			t.Errorf("%q: got %+v, %v, want a usage error", name, got, err)
		}
	}
}
