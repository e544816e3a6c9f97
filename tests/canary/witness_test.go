package canary

import "testing"

// TestPass does nothing. A run of it costs what the harness itself costs. It is
// planned last, so that it is run after each of the others to show what they
// leave behind.
func TestPass(*testing.T) {}
