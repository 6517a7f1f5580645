//go:build linux && mine

// Exercise 02-namespaces/private: the host does not see the container's mounts
//
// Make every mount of this mount namespace private, so that mounts no longer
// propagate between it and its peer on the host. One mount(2) with two flags does it; source, type
// and data don't matter.
//
// Read: mount_namespaces(7), "SHARED SUBTREES", mount(2), MS_PRIVATE, MS_SLAVE, MS_REC
// The reference also imports: golang.org/x/sys/unix
// Check: go run ./lessons check 02-namespaces/private

package namespace

import "containerkit/lessons/kit/todo"

// MakePrivate makes all mounts of our mount namespace private. A new mount namespace is a copy, but
// a copy of a *shared* mount stays in the same peer group: a mount below one of them shows up in
// both. systemd makes all mounts shared at boot, so without this call our mounts would appear on
// the host. (mount_namespaces(7), "SHARED SUBTREES")
func MakePrivate() error {
	return todo.Exercise("02-namespaces/private")
}
