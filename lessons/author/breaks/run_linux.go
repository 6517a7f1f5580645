package breaks

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// Command prepares a run of the step with the program that Build has made.
//
// A step plays the host in namespaces of its own, and a break leaves that as it is. This is the wall behind the wall: root, who
// could do harm, gets mounts, a hostname and System V objects of his own, whatever the change has taken away.
func (b Break) Command(ctx context.Context, program string, flags ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append(flags, b.Step)...)
	if os.Geteuid() == 0 {
		// With CLONE_NEWNS here, Go makes all mounts private before it executes the program.
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	}
	return cmd
}
