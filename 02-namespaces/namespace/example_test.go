//go:build linux

package namespace_test

import (
	"fmt"
	"log"
	"os"
	"os/exec"

	"containerkit/02-namespaces/namespace"
)

// A command gets a new hostname that the host does not see.
// AsNeeded adds a user namespace for an ordinary user.
func ExampleSpec_Apply() {
	cmd := exec.Command("sh", "-c", "hostname example; hostname")
	cmd.Stdout = os.Stdout
	namespace.AsNeeded(namespace.UTS).Apply(cmd)
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}

// A Set names kinds of namespaces as /proc/PID/ns does.
func ExampleSet_String() {
	fmt.Println(namespace.PID | namespace.Mount)
	fmt.Println(namespace.All)
	// Output:
	// pid,mnt
	// pid,uts,mnt,ipc,user,net,time,cgroup
}
