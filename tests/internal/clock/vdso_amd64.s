// SPDX-License-Identifier: BSD-3-Clause

#include "textflag.h"
#include "funcdata.h"

// C code has no stack check of its own. The frame is its stack: 8 KiB, because
// a kernel built without inlining needs a page for the vDSO (golang.org/issue/20427).

// func callVDSO(entry uintptr, id int32, ts *abi.Timespec) int32
TEXT ·callVDSO(SB), 0, $8192-28
	NO_LOCAL_POINTERS
	MOVQ	entry+0(FP), AX
	MOVL	id+8(FP), DI
	MOVQ	ts+16(FP), SI
	MOVQ	SP, BX			// C code preserves BX
	ADDQ	$8176, SP
	ANDQ	$~15, SP
	CALL	AX
	MOVQ	BX, SP
	MOVL	AX, ret+24(FP)
	RET
