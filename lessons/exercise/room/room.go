//go:build linux

// Package room runs a function of a test in a process that is root in its own namespaces, whichever
// user runs the test. There the function can mount file systems, set up networks and drop
// capabilities. With it the tests of the parts check an exercise as root and as an ordinary user,
// by the same rules: those of a user namespace, in which the container will run.
//
// Package room uses none of the parts: a test of mounts must not fail because of wrong clone flags
// in another exercise.
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

// Go can move main to another thread at any time, unless main is locked to its thread before.
func init() { runtime.LockOSThread() }

// A Room is a function that runs in its own process.
type Room[A any] struct {
	name       string
	namespaces uintptr
}

// answer holds the results that a room sends, also if the exercise's call failed.
type answer[A any] struct {
	Saw   A
	Error *child.Error `json:",omitempty"`
}

// New registers a function under a name. The function will run on the main thread of a process in a
// new user and mount namespace, and in the given namespaces (CLONE_NEW…, see namespaces(7)). Its
// mounts are private, and its working directory is /tmp, an empty tmpfs. Call New in a
// package-level variable; TestMain must call child.Init.
//
// The function fills in saw as far as it gets, and returns the error of the call under test.
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

// Run runs the function and returns its results and its error. It skips the test if the kernel
// allows no user namespace here.
func (r Room[A]) Run(t testing.TB) (saw A, err error) {
	t.Helper()
	// The kernel kills the child when the thread that starts it exits.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := child.Command(r.name)
	if err != nil {
		t.Fatalf("start a process: %v", err)
	}
	Apply(p.Cmd, r.namespaces)
	if err := p.Start(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
			t.Skipf("no user namespace can be created here (%v): go run ./lessons doctor says why", err)
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

// Apply makes cmd start its process as root of a new user namespace, with a new mount namespace and
// the given namespaces. Root maps to our own UID and GID, and no other ID is mapped.
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
