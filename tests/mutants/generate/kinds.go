// SPDX-License-Identifier: BSD-3-Clause

package generate

// Kind is a kind of wrong edit.
type Kind string

// The kinds of edits.
const (
	Negate    Kind = "negate"
	Force     Kind = "force"
	Logic     Kind = "logic"
	Compare   Kind = "compare"
	Arith     Kind = "arithmetic"
	Operands  Kind = "operands"
	Sign      Kind = "sign"
	Constant  Kind = "constant"
	OffByOne  Kind = "off-by-one"
	Errno     Kind = "errno"
	Success   Kind = "success"
	Drop      Kind = "drop"
	LoseGet   Kind = "lose-get"
	LosePut   Kind = "lose-put"
	LoseLock  Kind = "lose-lock"
	LoseStore Kind = "lose-store"
	Reorder   Kind = "reorder"
	Early     Kind = "early"
	Unwind    Kind = "unwind"
	Neighbour Kind = "neighbour"
	Mask      Kind = "mask"
	DropCase  Kind = "drop-case"
	Narrow    Kind = "narrow"
)

// Kinds are all kinds with what their edits do, in the order of the tables.
var Kinds = []struct {
	Kind Kind
	Does string
}{
	{Negate, "negates a condition, or a part of one that `&&` or `||` joins"},
	{Force, "makes a condition true or false, and still evaluates it"},
	{Logic, "makes `&&` of `||` and the other way round, or leaves out one side"},
	{Compare, "makes `<=` of `<` and the like"},
	{Arith, "makes `-` of `+` and the like, also in `+=` and `++`"},
	{Operands, "swaps the operands of `-` and the like, or two arguments of a call"},
	{Sign, "leaves out the sign of a value, of an error code too"},
	{Constant, "changes a number by one, or `true` to `false`"},
	{OffByOne, "changes an index, a size or a constant with a name by one"},
	{Errno, "returns another error code"},
	{Success, "makes 0 of an error code"},
	{Drop, "leaves out a statement, or a member of an initializer"},
	{LoseGet, "leaves out the call that takes a reference"},
	{LosePut, "leaves out the call that gives back or frees something"},
	{LoseLock, "leaves out the call that locks or unlocks, or a barrier"},
	{LoseStore, "leaves out a store to memory that others see"},
	{Reorder, "swaps two statements, of which one locks, unlocks or stores"},
	{Early, "returns at the begin of a function, or leaves a loop after one round"},
	{Unwind, "goes to the label beside the right one"},
	{Neighbour, "takes the neighbour: `monotonic` or `boottime`, `time_ns` or `time_ns_for_children`, `tv_sec` or `tv_nsec`, the task instead of `current`"},
	{Mask, "leaves out a flag of a mask"},
	{DropCase, "leaves out a label of a `switch`"},
	{Narrow, "cuts a value of 64 bits to 32"},
}
