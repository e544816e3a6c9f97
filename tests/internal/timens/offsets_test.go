// SPDX-License-Identifier: BSD-3-Clause

package timens

import (
	"math"
	"testing"
	"time"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		d         time.Duration
		sec, nsec int64
	}{
		{0, 0, 0},
		{1, 0, 1},
		{-1, -1, 999999999},
		{1500 * time.Millisecond, 1, 500000000},
		{-300 * time.Millisecond, -1, 700000000},
		{-time.Second, -1, 0},
		{-time.Second - 1, -2, 999999999},
		{math.MaxInt64, 9223372036, 854775807},
		{math.MinInt64, -9223372037, 145224192},
	} {
		if sec, nsec := Split(test.d); sec != test.sec || nsec != test.nsec {
			t.Errorf("Split(%d) = %d, %d, want %d, %d", test.d, sec, nsec, test.sec, test.nsec)
		}
	}
}

func TestOffsetsString(t *testing.T) {
	got := Offsets{Monotonic: 24*time.Hour + 5, Boottime: -1}.String()
	want := "monotonic       86400         5\nboottime           -1 999999999\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
