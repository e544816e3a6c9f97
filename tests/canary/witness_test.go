// SPDX-License-Identifier: BSD-3-Clause

package canary

import "testing"

// TestPass does nothing. A run of it costs what the harness itself costs. It is
// planned last and runs after each of the other tests, to show whether they
// leave something behind.
func TestPass(*testing.T) {}
