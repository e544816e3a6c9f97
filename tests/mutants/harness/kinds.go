// SPDX-License-Identifier: BSD-3-Clause

package main

// kind is a kind of wrong edit.
type kind string

const (
	negate    kind = "negate"
	force     kind = "force"
	logic     kind = "logic"
	compare   kind = "compare"
	arith     kind = "arithmetic"
	operands  kind = "operands"
	sign      kind = "sign"
	number    kind = "constant"
	offByOne  kind = "off-by-one"
	empty     kind = "text"
	neighbour kind = "neighbour"
	success   kind = "success"
	zero      kind = "zero"
	unwrap    kind = "unwrap"
	drop      kind = "drop"
	dropCase  kind = "drop-case"
	loop      kind = "loop"
	early     kind = "early"
)

// kinds are all kinds with what their edits do.
var kinds = []struct {
	kind kind
	does string
}{
	{negate, "negates a condition, or a part of one that `&&` or `||` joins"},
	{force, "makes a condition or a truth value true or false, and still evaluates it"},
	{logic, "makes `&&` of `||` and the other way round, or decides without one side"},
	{compare, "makes `<=` of `<` and the like"},
	{arith, "makes `-` of `+` and the like, also in `+=` and `++`"},
	{operands, "swaps the operands of `-` and the like, or two arguments of a call"},
	{sign, "leaves out the sign of a value"},
	{number, "changes a number by one, or `true` to `false`"},
	{offByOne, "changes an index, the bound of a slice or a constant with a name by one, or leaves out the bound"},
	{empty, "makes a string empty, or an empty one not empty"},
	{neighbour, "takes the next constant of the same type, such as `Failed` instead of `Unjudged`"},
	{success, "returns nil instead of an error"},
	{zero, "returns, or begins with, the zero value"},
	{unwrap, "takes an argument instead of what a call makes of it"},
	{drop, "leaves out a statement, or an element of a composite literal"},
	{dropCase, "leaves out a case of a `switch`, or one of its values"},
	{loop, "makes `continue` of `break` and the other way round"},
	{early, "returns at the begin of a function, or leaves a loop after one round"},
}
