//go:build linux

package rootfs_test

import (
	"fmt"
	"log"

	"containerkit/03-rootfs/rootfs"
)

// A volume is written as for docker run.
func ExampleParseVolume() {
	v, err := rootfs.ParseVolume("/srv/data:/data/:ro")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Source, v.Target, v.ReadOnly)
	// Output: /srv/data /data true
}

// Enter makes a directory the root. It needs a new mount namespace: never call it in the host's.
func ExampleSpec_Enter() {
	if err := (rootfs.Spec{Hostname: "example"}).Enter(); err != nil {
		log.Fatal(err)
	}
}
