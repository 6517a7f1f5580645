//go:build linux

package procfs_test

import (
	"fmt"
	"log"

	"containerkit/02-namespaces/procfs"
)

// A process is in one namespace of each kind.
func ExampleOf() {
	ours, err := procfs.Of(0)
	if err != nil {
		log.Fatal(err)
	}
	again, err := procfs.Of(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ours["pid"] != 0, ours["pid"] == again["pid"])
	// Output: true true
}
