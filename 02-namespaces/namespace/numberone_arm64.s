//go:build linux

#include "go_asm.h"
#include "textflag.h"

// What process number 1 of a container does while the container runs. It is copied into a file of its own, so it knows
// addresses in that file only. All signals are blocked; the ones that it waits for are in numberOneFile.signals.
TEXT ·numberOne(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $const_numberOneBase, R20
	MOVD $4, R0                                 // prctl(PR_SET_DUMPABLE, dumpable)
	MOVD numberOneFile_dumpable(R20), R1
	MOVD $167, R8
	SVC
	MOVD $15, R0                                // prctl(PR_SET_NAME, name)
	ADD  $numberOneFile_name, R20, R1
	MOVD $167, R8
	SVC
	SUB  $16, RSP

reap: // Bury all who have ended. The payload may be one of them already.
	MOVD numberOneFile_children(R20), R0        // wait4(children, &status, WNOHANG, NULL)
	MOVD RSP, R1
	MOVD $1, R2
	MOVD ZR, R3
	MOVD $260, R8
	SVC
	CMP  $0, R0
	BLE  sleep                                  // nobody (0), or there is nobody (ECHILD)
	MOVD numberOneFile_payload(R20), R1
	CMP  R1, R0
	BNE  reap                                   // an orphan
	MOVWU 0(RSP), R0                            // wait(2): the low seven bits are the signal that ended it
	ANDS $127, R0, R1
	BEQ  exited
	ADD  $128, R1, R0
	B    exit

exited:
	LSR  $8, R0, R0                             // the next eight its status
	AND  $255, R0, R0

exit:
	MOVD $94, R8                                // exit_group(R0), and the kernel kills whoever is left
	SVC

sleep:
	ADD  $numberOneFile_signals, R20, R0        // rt_sigtimedwait(&signals, NULL, NULL, 8)
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD $8, R3
	MOVD $137, R8
	SVC
	CMP  $17, R0                                // SIGCHLD
	BEQ  reap
	CMP  $0, R0
	BLE  sleep                                  // EINTR
	MOVD R0, R1                                 // kill(payload, signal)
	MOVD numberOneFile_payload(R20), R0
	MOVD $129, R8
	SVC
	B    sleep

DATA ·numberOneCode(SB)/8, $·numberOne(SB)
GLOBL ·numberOneCode(SB), RODATA, $8
