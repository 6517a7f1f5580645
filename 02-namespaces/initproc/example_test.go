//go:build linux

package initproc_test

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/initproc"
)

// The exit status for a command that could not be started is the one that a shell has for it.
func ExampleStatus() {
	_, err := os.Open("/no/such/command")
	fmt.Println(initproc.Status(err), initproc.Status(os.ErrPermission), initproc.Status(unix.ENOMEM))
	// Output: 127 126 125
}
