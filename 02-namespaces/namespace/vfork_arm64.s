//go:build linux

#include "go_asm.h"
#include "textflag.h"

// func vfork(args *cloneArgs, at *place) (errno syscall.Errno)
TEXT ·vfork(SB), NOSPLIT, $0-24
	MOVD args+0(FP), R0
	MOVD at+8(FP), R10      // a register that the kernel keeps, in both processes
	MOVD ZR, 0(R10)         // nobody has left yet
	MOVD $cloneArgs__size, R1
	MOVD $435, R8           // SYS_clone3
	SVC
	CBZ  R0, inside
	CMN  $4095, R0
	BCC  back
	NEG  R0, R0
	MOVD R0, errno+16(FP)
	RET

inside:
	MOVD ZR, errno+16(FP)
	RET

back: // We are ourselves, and the new process has gone. Nothing is left of the stack as we knew it.
	MOVD 0(R10), R1
	CBZ  R1, killed
	MOVD 8(R10), R29
	MOVD 16(R10), R30
	MOVD R1, RSP
	MOVD ZR, 64(R1)         // the result of leave, above its seven arguments and one word that is always free there
	RET                     // from leave

killed: // It has not left by itself, and our memory is in whatever state it was.
	MOVD $2, R0
	MOVD ·killed+0(SB), R1  // a Go string: where it is, and how long
	MOVD ·killed+8(SB), R2
	MOVD $64, R8            // SYS_write
	SVC
	MOVD $125, R0
	MOVD $94, R8            // SYS_exit_group
	SVC
	BRK

// func leave(at *place, nr, a1, a2, a3, a4, a5 uintptr) (errno syscall.Errno)
TEXT ·leave(SB), NOSPLIT, $0-64
	MOVD at+0(FP), R10
	MOVD RSP, R1
	MOVD R1, 0(R10)
	MOVD R29, 8(R10)
	MOVD R30, 16(R10)       // the address that we return to
	MOVD nr+8(FP), R8
	MOVD a1+16(FP), R0
	MOVD a2+24(FP), R1
	MOVD a3+32(FP), R2
	MOVD a4+40(FP), R3
	MOVD a5+48(FP), R4
	SVC
	MOVD ZR, 0(R10)         // still here: it has failed
	NEG  R0, R0
	MOVD R0, errno+56(FP)
	RET
