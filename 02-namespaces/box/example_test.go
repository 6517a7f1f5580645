//go:build linux

package box_test

import (
	"log"
	"os"

	"containerkit/02-namespaces/box"
	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/child"
	"containerkit/lessons/kit/stage"
)

// named is a kind of container that differs from the host only by its hostname.
var named = box.New("example", func(hostname string, _ []*os.File) error {
	return namespace.SetHostname(hostname)
})

func hostname(*procfs.Process) (string, error) { return "example", nil }

// A kind of container is registered before main; main runs commands in it.
func ExampleNew() {
	child.Init() // in PID 1 of the container this call does not return
	command := stage.Payload{Argv: []string{"hostname"}}
	status, err := named.Run(command, nil, hostname)
	if err != nil || status != 0 {
		log.Fatal(status, err)
	}
}
