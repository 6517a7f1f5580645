//go:build linux && !mine

package container

// order returns the parts in the order in which PID 1 builds the container. The order matters
// almost everywhere; each line says why. After the last part the container is Ready.
func order() ([]Part, error) {
	return []Part{
		Born,      // first: the cgroup namespace and the uptime apply to all later parts
		Named,     // sethostname(2) needs CAP_SYS_ADMIN, which Walled drops
		Base,      // also makes all mounts private; the parts up to Pivoted add to this root
		Etc,       // before Volumes: otherwise it would write to a volume
		Dev,       // before Pivoted: it bind-mounts devices from the host's /dev
		Proc,      // before Pivoted: a user namespace gets a new /proc only where an unmasked one is visible
		Sys,       // for the same reason
		Volumes,   // can be mounted over all of these
		Pivoted,   // from here on the host's files are out of reach
		Covered,   // masks the new /proc and /sys, not the host's
		Connected, // bringing a link up needs CAP_NET_ADMIN
		Walled,    // last: all parts above need the capabilities that it drops
	}, nil
}
