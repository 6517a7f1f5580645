//go:build linux && mine

// Exercise 05-full/capabilities: root inside keeps Docker's capabilities, and no call brings the others back
//
// Use package capability: load the calling thread's sets (NewPid2 of 0), clear all of
// them, set those of Kept (walls.go) where they should stay, and Apply. CAPS stands for the
// effective, permitted and inheritable sets, BOUNDS for the bounding set, AMBS for the ambient set.
// The inheritable and the ambient set stay empty.
//
// Read: capabilities(7), go doc github.com/moby/sys/capability Capabilities
// The reference also imports: fmt, github.com/moby/sys/capability
// Check: go run ./lessons check 05-full/capabilities

package container

import "containerkit/lessons/kit/todo"

// KeepCapabilities drops all capabilities except Kept from the calling thread, in every set:
// effective, permitted, inheritable, ambient and bounding. The bounding set limits the programs
// that it execs as root. (capabilities(7), "Thread capability sets" and "Capability bounding set")
func KeepCapabilities() error {
	return todo.Exercise("05-full/capabilities")
}
