//go:build linux && !race

#include "textflag.h"

// func clone3(args *cloneArgs, e *errands) (pid int, errno syscall.Errno)
TEXT ·clone3(SB), NOSPLIT, $0-32
	MOVQ args+0(FP), DI
	MOVQ $88, SI            // the size of cloneArgs
	MOVQ e+8(FP), R12       // the kernel keeps this register, for parent and child
	MOVQ $435, AX           // SYS_clone3
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	CMPQ AX, $0xfffffffffffff001
	JCC  failed
	MOVQ AX, pid+16(FP)
	MOVQ $0, errno+24(FP)
	RET

failed:
	NEGQ AX
	MOVQ $0, pid+16(FP)
	MOVQ AX, errno+24(FP)
	RET

child:
	// SP is the top of the new stack. Nothing of the old one may be touched: the parent goes on there.
	SUBQ $16, SP
	MOVQ R12, 0(SP)
	CALL ·run(SB)
	INT  $3                 // run does not return
