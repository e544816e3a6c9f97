// SPDX-License-Identifier: BSD-3-Clause

#include "go_asm.h"
#include "textflag.h"

// func clone3(args *Args, size uintptr, steps *step) int
//
// The child keeps the parent's registers but has a stack of its own, whose top
// the kernel has put into SP, aligned to a page as C wants it to 16 bytes. It
// never returns: the last step is an exit.
TEXT ·clone3(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	steps+16(FP), R12	// kept by the kernel and by C code
	MOVL	$const_sysClone3, AX
	SYSCALL
	TESTQ	AX, AX
	JZ	child
	MOVQ	AX, ret+24(FP)
	RET
child:
	JMP	walk<>(SB)

// walk does the steps at R12.
TEXT walk<>(SB), NOSPLIT|NOFRAME, $0
next:
	MOVQ	(step_args+0)(R12), DI
	MOVQ	(step_args+8)(R12), SI
	MOVQ	(step_args+16)(R12), DX
	MOVQ	(step_args+24)(R12), R10
	MOVQ	(step_args+32)(R12), R8
	MOVQ	(step_args+40)(R12), R9
	MOVQ	step_from(R12), AX
	TESTQ	AX, AX
	JZ	call
	MOVQ	(AX), DI
call:
	MOVQ	step_fn(R12), AX
	TESTQ	AX, AX
	JZ	system
	MOVQ	R10, CX			// where C has its fourth argument
	CALL	AX
	MOVLQSX	AX, AX			// a C int
	JMP	done
system:
	MOVQ	step_nr(R12), AX
	SYSCALL
	TESTQ	AX, AX
	JNZ	done
	MOVQ	step_twin(R12), CX
	TESTQ	CX, CX
	JZ	done
	MOVQ	CX, R12
	JMP	next
done:
	MOVQ	AX, step_ret(R12)
	MOVQ	$1, step_done(R12)
	ADDQ	$step__size, R12
	JMP	next
