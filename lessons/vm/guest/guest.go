//go:build linux

// Package guest is the first process of the virtual machine. It makes the host's root its own, below an overlay in
// memory, sets up what the course needs (cgroup v2, /proc, /dev, an ordinary user), runs the one command that it is
// told to, and switches the machine off.
//
// It is started by the kernel as /init of the initial file system, so it is a static program, and small: its bytes
// are unpacked and its start is emulated before anything else happens.
package guest

import (
	"fmt"
	"os"
)

// Main runs the machine. It does not return.
func Main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is the first process of a virtual machine: go run ./lessons vm starts it there")
		os.Exit(2)
	}
	select {}
}
