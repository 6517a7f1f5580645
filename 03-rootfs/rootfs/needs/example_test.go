//go:build linux

package needs_test

import (
	"fmt"
	"log"

	"containerkit/03-rootfs/rootfs/needs"
)

// The first file that a program needs is the program. Its interpreter and libraries follow.
func ExampleOf() {
	tree, err := needs.Of("/bin/sh")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tree.Files()[0])
	// Output: /bin/sh
}

// A library that was not found has no path, so it is no file to copy.
func ExampleTree_Files() {
	tree := needs.Tree{
		Path:        "/bin/sh",
		Interpreter: "/lib/ld.so",
		Libraries:   []needs.Lib{{Name: "libc.so.6", Path: "/lib/libc.so.6"}, {Name: "libgone.so"}},
	}
	fmt.Println(tree.Static(), tree.Files())
	// Output: false [/bin/sh /lib/ld.so /lib/libc.so.6]
}
