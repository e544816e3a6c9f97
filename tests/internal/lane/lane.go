// Package lane tells a test in which kind of time it runs.
package lane

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Virtual reports whether guest time is instructions executed, so that the
// host's load does not show in it and an upper bound of lateness can be tight.
// Elsewhere, on a developer's own machine too, time is real, and a test asserts
// "never early" only.
func Virtual() bool { return os.Getenv("VMTEST_LANE") == "virtual" } // wire.LaneEnv, wire.Virtual

// Lateness records how late a waiter noticed its deadline: report.json has the
// greatest of each test.
func Lateness(t testing.TB, d time.Duration) {
	t.Attr("lateness_s", strconv.FormatFloat(d.Seconds(), 'f', 9, 64)) // wire.LatenessAttr
}
