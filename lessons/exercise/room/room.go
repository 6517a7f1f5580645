//go:build linux

// Package room runs a function of a test in a process that is root in namespaces of its own, whoever runs the test: there it
// may mount, connect and drop what it likes. The tests of the parts use it, so that an exercise can be checked as root
// and as an ordinary user alike, by the same rules: those of a user namespace, in which the container will live.
//
// It uses none of the parts. A test of mounts must not fail because somebody's clone flags are wrong.
package room

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
)

// Go moves main to another thread when it likes, unless it has been told before main.
func init() { runtime.LockOSThread() }

// A Room is a function that runs in a process of its own.
type Room[A any] struct {
	name       string
	namespaces uintptr
}

// answer is what a room sends: what it saw, also if the exercise's call failed.
type answer[A any] struct {
	Saw   A
	Error *child.Error `json:",omitempty"`
}

// New registers a function under a name. It will run on the main thread of a process in a new user and mount namespace, and
// in those that are asked for (CLONE_NEW…, see namespaces(7)). Its mounts are private, and its working directory is
// /tmp, an empty file system in memory. Call it in a package-level variable; TestMain must call child.Init.
//
// The function fills in what it sees, as far as it comes, and returns the error of what is being tested.
func New[A any](name string, namespaces uintptr, f func(saw *A) error) Room[A] {
	child.Register(name, func(c *child.Conn) error {
		if err := c.Receive(nil); err != nil {
			return err
		}
		if err := furnish(); err != nil {
			return err
		}
		var a answer[A]
		a.Error = child.PackError(f(&a.Saw))
		return c.Send(a)
	})
	return Room[A]{name, namespaces}
}

func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs on /tmp: %w", err)
	}
	return os.Chdir("/tmp")
}

// Run runs the function and returns what it saw, and its error. It skips the test where nobody may make a user namespace.
func (r Room[A]) Run(t testing.TB) (saw A, err error) {
	t.Helper()
	// The child dies with the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := child.Command(r.name)
	if err != nil {
		t.Fatalf("start a process: %v", err)
	}
	Apply(p.Cmd, r.namespaces)
	if err := p.Start(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
			t.Skipf("no user namespaces can be made here (%v): go run ./lessons doctor says why", err)
		}
		t.Fatalf("start a process in new namespaces: %v", err)
	}
	defer p.Close()
	var a answer[A]
	if err := errors.Join(p.Send(true), p.Receive(&a)); err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	return a.Saw, a.Error.Unpack()
}

// Apply makes cmd start its process as root of a new user namespace, with a mount namespace and those that are asked for.
// Root is who we are, and nobody else is there.
func Apply(cmd *exec.Cmd, namespaces uintptr) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	a := cmd.SysProcAttr
	a.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS | namespaces
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	a.Credential = &syscall.Credential{NoSetGroups: true}
}
