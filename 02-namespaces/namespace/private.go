//go:build linux && !mine

package namespace

import "golang.org/x/sys/unix"

// MakePrivate cuts the ties of all mounts of our mount namespace to their twins elsewhere. A new mount namespace is a
// copy, but a copy of a *shared* mount stays in the same peer group: what is mounted below it shows up in both.
// systemd shares everything at boot, so without this call our mounts would appear on the host.
// mount_namespaces(7), "SHARED SUBTREES".
func MakePrivate() error {
	// MS_REC: all mounts below / too. Source, type and data are ignored when the propagation changes.
	return pathError("mount --make-rprivate", "/", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}
