//go:build linux && !mine

package container

// order is the order in which a container is built from inside. It matters nearly everywhere; each line says why it
// stands where it stands. When all of them are done the container is Ready.
func order() ([]Part, error) {
	return []Part{
		Born,      // first: what comes after is counted and clocked as the container's
		Named,     // sethostname(2) takes CAP_SYS_ADMIN, which goes with Walled
		Base,      // and all mounts private; all up to Pivoted put something into it
		Etc,       // before Volumes: else it would write into what was lent
		Dev,       // before Pivoted: it shows nodes of the host's /dev
		Proc,      // before Pivoted: a user namespace gets a new /proc only where an uncovered one is in sight
		Sys,       // for the same reason
		Volumes,   // over all of these, if the user wants so
		Pivoted,   // from here on the host's files are out of reach
		Covered,   // what /proc and /sys are now, not the host's
		Connected, // switching a link on takes CAP_NET_ADMIN
		Walled,    // last: everything above needs the powers that go here
	}, nil
}
