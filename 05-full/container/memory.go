//go:build linux

package container

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrMemory is in an error whose cause is the limit on memory, Config.Resources.Memory.
var ErrMemory = errors.New("the limit on memory is too small")

// blameMemory returns err, with the limit on memory as its cause if the kernel has killed a process
// for want of memory, or has refused memory: then it kills none (ENOMEM).
func (ct *Container) blameMemory(err error) error {
	if ct.oomKills() == 0 && (ct.limit == 0 || !errors.Is(err, unix.ENOMEM)) {
		return err
	}
	return fmt.Errorf("%w: %w (%d bytes)", err, ErrMemory, ct.limit)
}

// killedForMemory is the error of a container that has ended by a signal, if it was the kernel's for
// want of memory. It can come before execve(2), and then nothing else says that the command never ran.
func (ct *Container) killedForMemory(s syscall.Signal) error {
	if s != unix.SIGKILL || ct.oomKills() == 0 {
		return nil
	}
	return fmt.Errorf("container: the kernel killed a process: %w (%d bytes)", ErrMemory, ct.limit)
}

// oomKills is how often the kernel killed a process because the limit on memory was reached.
func (ct *Container) oomKills() int64 {
	if ct.Group == nil || ct.limit == 0 {
		return 0
	}
	return ct.Group.Stats().OOMKills
}
