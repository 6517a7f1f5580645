//go:build linux

package initproc_test

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/initproc"
)

// A command that cannot be started gets the exit status that a shell returns for it.
func ExampleStatus() {
	_, err := os.Open("/no/such/command")
	fmt.Println(initproc.Status(err), initproc.Status(os.ErrPermission), initproc.Status(unix.ENOMEM))
	// Output: 127 126 125
}
