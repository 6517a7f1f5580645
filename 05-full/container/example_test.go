//go:build linux

package container_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"containerkit/01-cgroups/cgroup"
	"containerkit/05-full/container"
)

// A command runs in a container with the built-in root file system and at most 64 MiB of memory.
func ExampleRun() {
	status, err := container.Run(container.Config{
		Args:      []string{"sh", "-c", "id; hostname; ps"},
		Resources: cgroup.Resources{Memory: 64 << 20},
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
	})
	if err != nil {
		log.Print(err)
	}
	os.Exit(status)
}

// If the container could not be built, the exit status is 125, as with docker run.
func ExampleStatus() {
	fmt.Println(container.Status(errors.New("no namespaces here")))
	// Output: 125
}
