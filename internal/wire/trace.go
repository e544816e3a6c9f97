// SPDX-License-Identifier: BSD-3-Clause

package wire

// TracePath is the guest's file with a Trace. A guest without it records nothing.
const TracePath = "/etc/trace.json"

// TraceDir is the guest's folder of ftrace.
const TraceDir = "/sys/kernel/tracing"

// TraceLimit is how many bytes of the trace of a test the guest passes on: the last ones.
const TraceLimit = 1 << 20

// Trace says what the guest records with ftrace while each test runs.
type Trace struct {
	Events    []string `json:"events,omitempty"`    // as the kernel's file set_event takes them, such as "timer:hrtimer_start" and "timer:*"
	Functions []string `json:"functions,omitempty"` // names or patterns of the functions whose calls are recorded, with all that they call
	Patched   []string `json:"patched,omitempty"`   // functions that the series changes; the guest leaves out those that the kernel cannot trace
}
