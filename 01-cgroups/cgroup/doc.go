// Package cgroup limits what processes may use: how many they may be, how much memory, CPU time and disk they get.
//
// A cgroup is a directory of the kernel. Making one is mkdir(2), setting a limit is write(2),
// joining is writing one's number to cgroup.procs, and the kernel's answers are files to read
// (cgroups(7); v2: Documentation/admin-guide/cgroup-v2.rst; v1:
// Documentation/admin-guide/cgroup-v1/). The package speaks in the file names of v2 and translates
// them where the machine still has v1: v1.go and v2.go hold what differs, resources.go what to ask
// for, place.go where the groups are, cgroup.go what can be done with a group.
//
//	g, err := cgroup.New("demo", cgroup.Resources{Pids: 20, Memory: 64 << 20})
//	defer g.Remove()
//	cmd := exec.Command("sh")
//	after, err := g.Prepare(cmd) // the child is born inside: it never runs a moment without its limits
//	err = cmd.Start()
//	after()
//
// It does not isolate: whoever is in a group sees everything that he saw before, and root can walk out of it again by
// writing to another group's cgroup.procs. It is not for managing services either: on a machine with systemd, ask
// systemd for a scope (systemd-run) and use what it delegates.
//
// Two things happen when the package is linked into a program. On v1 a child reaches its group through a gate: the
// program starts itself under the name containerkit-gate, joins, and executes the target (gate.go, in an init
// function). And a group belongs to the process that made it, for as long as that lives: see Sweep.
package cgroup
