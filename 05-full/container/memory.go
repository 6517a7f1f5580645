//go:build linux

package container

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrMemory is wrapped by an error whose cause is the memory limit, Config.Resources.Memory.
var ErrMemory = errors.New("the limit on memory is too small")

// blameMemory returns err, with the memory limit as its cause if the OOM killer killed a process or
// the kernel returned ENOMEM.
func (ct *Container) blameMemory(err error) error {
	if ct.oomKills() == 0 && (ct.limit == 0 || !errors.Is(err, unix.ENOMEM)) {
		return err
	}
	return fmt.Errorf("%w: %w (%d bytes)", err, ErrMemory, ct.limit)
}

// killedForMemory returns an error if the OOM killer terminated the container. That can happen
// before execve(2), and then nothing else shows that the command never ran.
func (ct *Container) killedForMemory(s syscall.Signal) error {
	if s != unix.SIGKILL || ct.oomKills() == 0 {
		return nil
	}
	return fmt.Errorf("container: the kernel killed a process: %w (%d bytes)", ErrMemory, ct.limit)
}

// oomKills returns how many processes the kernel killed because they reached the memory limit.
func (ct *Container) oomKills() int64 {
	if ct.Group == nil || ct.limit == 0 {
		return 0
	}
	return ct.Group.Stats().OOMKills
}
