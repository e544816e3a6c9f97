// SPDX-License-Identifier: BSD-3-Clause

#include "textflag.h"
#include "funcdata.h"

// See vdso_amd64.s for the frame. C has its arguments on the stack.

// func callVDSO(entry uintptr, id int32, ts *abi.Timespec) int32
TEXT ·callVDSO(SB), 0, $8192-16
	NO_LOCAL_POINTERS
	MOVL	entry+0(FP), AX
	MOVL	id+4(FP), CX
	MOVL	ts+8(FP), DX
	MOVL	SP, BX			// C code preserves BX
	ADDL	$8176, SP
	ANDL	$~15, SP
	MOVL	CX, 0(SP)
	MOVL	DX, 4(SP)
	CALL	AX
	MOVL	BX, SP
	MOVL	AX, ret+12(FP)
	RET
