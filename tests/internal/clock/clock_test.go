// SPDX-License-Identifier: BSD-3-Clause

package clock

import "testing"

func TestReadInOrder(t *testing.T) {
	for _, id := range []ID{Monotonic, MonotonicRaw, MonotonicCoarse, Boottime} {
		last, err := Read(id, VDSO)
		if err != nil {
			t.Fatalf("%v: %v", id, err)
		}
		for range 100 {
			for _, via := range Vias {
				now, err := Read(id, via)
				if err != nil {
					t.Fatalf("%v by %v: %v", id, via, err)
				}
				if now < last {
					t.Errorf("%v by %v is %v after %v", id, via, now, last)
				}
				last = now
			}
		}
	}
}
