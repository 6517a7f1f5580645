//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func vfork(args *cloneArgs, at *place) (errno syscall.Errno)
TEXT ·vfork(SB), NOSPLIT, $0-24
	MOVQ args+0(FP), DI
	MOVQ at+8(FP), R12      // a register that the kernel keeps, in both processes
	MOVQ $0, 0(R12)         // nobody has left yet
	MOVQ $cloneArgs__size, SI
	MOVQ $435, AX           // SYS_clone3
	SYSCALL
	TESTQ AX, AX
	JEQ  inside
	CMPQ AX, $0xfffffffffffff001
	JCC  failed
	JMP  back

inside:
	MOVQ $0, errno+16(FP)
	RET

failed:
	NEGQ AX
	MOVQ AX, errno+16(FP)
	RET

back: // We are ourselves, and the new process has gone. Nothing is left of the stack as we knew it.
	MOVQ 0(R12), CX
	TESTQ CX, CX
	JEQ  killed
	MOVQ 8(R12), BP
	MOVQ CX, SP
	MOVQ $0, 64(CX)         // the result of leave, above its seven arguments and the address that it returns to
	RET                     // from leave

killed: // It has not left by itself, and our memory is in whatever state it was.
	MOVQ $1, AX             // SYS_write
	MOVQ $2, DI
	MOVQ ·killed+0(SB), SI  // a Go string: where it is, and how long
	MOVQ ·killed+8(SB), DX
	SYSCALL
	MOVQ $231, AX           // SYS_exit_group
	MOVQ $125, DI
	SYSCALL
	INT  $3

// func leave(at *place, nr, a1, a2, a3, a4, a5 uintptr) (errno syscall.Errno)
TEXT ·leave(SB), NOSPLIT, $0-64
	MOVQ at+0(FP), R12
	MOVQ BP, 8(R12)
	MOVQ SP, 0(R12)         // where the address lies that we return to
	MOVQ nr+8(FP), AX
	MOVQ a1+16(FP), DI
	MOVQ a2+24(FP), SI
	MOVQ a3+32(FP), DX
	MOVQ a4+40(FP), R10
	MOVQ a5+48(FP), R8
	SYSCALL
	MOVQ $0, 0(R12)         // still here: it has failed
	NEGQ AX
	MOVQ AX, errno+56(FP)
	RET
