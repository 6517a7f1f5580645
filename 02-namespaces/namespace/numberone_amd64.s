//go:build linux

#include "go_asm.h"
#include "textflag.h"

// What process number 1 of a container does while the container runs. It is copied into a file of its own, so it knows
// addresses in that file only. All signals are blocked; the ones that it waits for are in numberOneFile.signals.
TEXT ·numberOne(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $const_numberOneBase, R13
	MOVL $157, AX                               // prctl(PR_SET_DUMPABLE, dumpable)
	MOVL $4, DI
	MOVQ numberOneFile_dumpable(R13), SI
	SYSCALL
	MOVL $157, AX                               // prctl(PR_SET_NAME, name)
	MOVL $15, DI
	LEAQ numberOneFile_name(R13), SI
	SYSCALL

reap: // Bury all who have ended. The payload may be one of them already.
	MOVL $61, AX                                // wait4(children, &status, WNOHANG, NULL)
	MOVQ numberOneFile_children(R13), DI
	LEAQ -16(SP), SI
	MOVL $1, DX
	XORL R10, R10
	SYSCALL
	CMPQ AX, $0
	JLE  sleep                                  // nobody (0), or there is nobody (ECHILD)
	CMPQ AX, numberOneFile_payload(R13)
	JNE  reap                                   // an orphan
	MOVL -16(SP), DI                            // wait(2): the low seven bits are the signal that ended it
	MOVL DI, AX
	ANDL $127, AX
	JEQ  exited
	LEAL 128(AX), DI
	JMP  exit

exited:
	SHRL $8, DI                                 // the next eight its status
	ANDL $255, DI

exit:
	MOVL $231, AX                               // exit_group(DI), and the kernel kills whoever is left
	SYSCALL

sleep:
	MOVL $128, AX                               // rt_sigtimedwait(&signals, NULL, NULL, 8)
	LEAQ numberOneFile_signals(R13), DI
	XORL SI, SI
	XORL DX, DX
	MOVL $8, R10
	SYSCALL
	CMPQ AX, $17                                // SIGCHLD
	JEQ  reap
	CMPQ AX, $0
	JLE  sleep                                  // EINTR
	MOVQ AX, SI                                 // kill(payload, signal)
	MOVQ numberOneFile_payload(R13), DI
	MOVL $62, AX
	SYSCALL
	JMP  sleep

DATA ·numberOneCode(SB)/8, $·numberOne(SB)
GLOBL ·numberOneCode(SB), RODATA, $8
