//go:build linux

package cgroup_test

import (
	"fmt"
	"log"
	"os/exec"

	"containerkit/01-cgroups/cgroup"
)

// A command runs in its own cgroup from its first instruction on. This needs a cgroup that we can
// write to.
func ExampleNew() {
	g, err := cgroup.New("example", cgroup.Resources{Pids: 20, Memory: 64 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Remove()
	cmd := exec.Command("sh", "-c", "cat /proc/self/cgroup")
	after, err := g.Prepare(cmd)
	if err != nil {
		log.Fatal(err)
	}
	defer after()
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}

// A zero field asks for nothing.
func ExampleResources_Empty() {
	fmt.Println(cgroup.Resources{}.Empty())
	fmt.Println(cgroup.Resources{Pids: 20}.Empty())
	// Output:
	// true
	// false
}
