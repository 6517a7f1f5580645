// Package cgroup limits the resources of processes: their number, memory, CPU time and disk
// bandwidth.
//
// A cgroup is a directory of the kernel. mkdir(2) creates one, write(2) sets a limit, and a process
// joins when its PID is written to cgroup.procs. The kernel's counters are files (cgroups(7); v2:
// Documentation/admin-guide/cgroup-v2.rst; v1: Documentation/admin-guide/cgroup-v1/). The package
// uses the file names of v2 and translates them on a machine that still has v1. v1.go and v2.go
// hold the differences, resources.go the limits to ask for, place.go the directories, and cgroup.go
// the operations on a cgroup.
//
//	g, err := cgroup.New("demo", cgroup.Resources{Pids: 20, Memory: 64 << 20})
//	defer g.Remove()
//	cmd := exec.Command("sh")
//	after, err := g.Prepare(cmd) // the child starts in the cgroup: it never runs without its limits
//	err = cmd.Start()
//	after()
//
// The package does not isolate. A process in a cgroup sees everything that it saw before, and root
// can leave the cgroup by writing to another one's cgroup.procs. The package is not for managing
// services either: on a machine with systemd, ask systemd for a scope (systemd-run) and use the
// cgroup that it delegates.
//
// Linking the package into a program has two effects. On v1, a child joins its cgroup in a re-exec
// helper: the program re-executes itself under the name containerkit-gate, joins, and execs the
// target (gate.go, in an init function). And a cgroup belongs to the process that created it, as
// long as that process runs: see Sweep.
package cgroup
