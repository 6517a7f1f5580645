//go:build linux && mine

// Exercise 02-namespaces/idmap: root inside maps to another UID on the host
//
// A process has just started in a new user namespace, and waits. Give the kernel its
// ID maps: write uid_map, setgroups ("allow" or "deny", by s.Setgroups) and gid_map in the
// process's /proc directory. Write each in one piece, and setgroups before gid_map. p.Write writes
// a file there; the function lines makes the text of a map.
//
// Read: user_namespaces(7), "Defining user and group ID mappings", "The /proc/pid/setgroups file"
// Check: go run ./lessons check 02-namespaces/idmap

package namespace

import (
	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/kit/todo"
)

// writeMaps writes the ID maps of a process that waits in its new user namespace.
// (user_namespaces(7))
func (s Spec) writeMaps(p *procfs.Process) error {
	return todo.Exercise("02-namespaces/idmap")
}
