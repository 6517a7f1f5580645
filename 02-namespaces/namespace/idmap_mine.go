//go:build linux && mine

// Exercise 02-namespaces/idmap: root inside is somebody else outside
//
// A process has just been born in a new user namespace, and waits. Tell the kernel who is who there: write uid_map,
// setgroups ("allow" or "deny", by s.Setgroups) and gid_map in /proc/PID, each with one write(2), setgroups before gid_map.
// The function lines makes the text of a map.
//
// Read: user_namespaces(7), "Defining user and group ID mappings", "The /proc/pid/setgroups file"
// The reference also imports: fmt, os, strconv, golang.org/x/sys/unix
// Check: go run ./lessons check 02-namespaces/idmap

package namespace

import "containerkit/lessons/kit/todo"

// writeMaps writes who is who into the user namespace of a process that waits: user_namespaces(7).
func (s Spec) writeMaps(pid int) error {
	return todo.Exercise("02-namespaces/idmap")
}
