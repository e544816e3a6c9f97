// SPDX-License-Identifier: BSD-3-Clause

#include "go_asm.h"
#include "textflag.h"

// func clone3(args *Args, size uintptr, steps *step) int
//
// See clone_amd64.s.
TEXT ·clone3(SB), NOSPLIT, $0-16
	MOVL	args+0(FP), BX
	MOVL	size+4(FP), CX
	MOVL	steps+8(FP), SI		// kept by the kernel and by C code
	MOVL	$const_sysClone3, AX
	INT	$0x80
	TESTL	AX, AX
	JZ	child
	MOVL	AX, ret+12(FP)
	RET
child:
	JMP	walk<>(SB)

// walk does the steps at SI. A system call takes every register, so that the
// stack has to remember where they are.
TEXT walk<>(SB), NOSPLIT, $0
next:
	MOVL	(step_args+0)(SI), BX
	MOVL	step_from(SI), AX
	TESTL	AX, AX
	JZ	call
	MOVL	(AX), BX
call:
	MOVL	step_fn(SI), AX
	TESTL	AX, AX
	JZ	system
	SUBL	$16, SP			// C has its arguments on an aligned stack
	MOVL	BX, 0(SP)
	MOVL	(step_args+4)(SI), DX
	MOVL	DX, 4(SP)
	MOVL	(step_args+8)(SI), DX
	MOVL	DX, 8(SP)
	MOVL	(step_args+12)(SI), DX
	MOVL	DX, 12(SP)
	CALL	AX
	ADDL	$16, SP
	JMP	done
system:
	MOVL	step_twin(SI), AX
	TESTL	AX, AX
	JNZ	fork
	PUSHL	SI
	MOVL	step_nr(SI), AX
	MOVL	(step_args+4)(SI), CX
	MOVL	(step_args+8)(SI), DX
	MOVL	(step_args+16)(SI), DI
	MOVL	(step_args+20)(SI), BP
	MOVL	(step_args+12)(SI), SI
	INT	$0x80
	POPL	SI
done:
	CDQ
	MOVL	AX, (step_ret+0)(SI)
	MOVL	DX, (step_ret+4)(SI)
	MOVL	$1, (step_done+0)(SI)
	MOVL	$0, (step_done+4)(SI)
	ADDL	$step__size, SI
	JMP	next
fork:					// a child has another stack, and so SI stays
	MOVL	step_nr(SI), AX
	MOVL	(step_args+4)(SI), CX
	INT	$0x80
	TESTL	AX, AX
	JNZ	done
	MOVL	step_twin(SI), SI
	JMP	next
