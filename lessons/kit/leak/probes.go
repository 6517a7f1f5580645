//go:build linux

package leak

import "os"

// A Probe asks one question of the container so far. Its answer is yes (it leaks) or no (it is sealed).
type Probe struct {
	Name     string
	Question string
	// Root and User are what the five stages promise: one letter a stage, L leaks, S sealed; first when started by
	// root, then by an ordinary user. They differ where being nobody is a wall of its own, and where a user namespace
	// gives an ordinary user powers that the next walls must take away again.
	Root, User string
	// Limit says that the seal is a cgroup's limit: without a cgroup of one's own it leaks at every stage.
	Limit bool
	// Unsealable tells, if set, why the kernel that we run on cannot seal it: then it leaks at every stage. Empty: it can.
	Unsealable func() string
	// Later names what seals a probe that still leaks after the last stage.
	Later string
	// inside attacks, and tells whether it succeeded and what it saw.
	inside func(m Markers) (leaks bool, saw string)
	// outside, if set, looks at the victim afterwards and has the last word.
	outside func(h *host) (leaks bool, saw string)
}

const seccompLater = "a seccomp filter, which a later lesson adds"

// Probes is the list, in the order in which the stages seal.
var Probes = []Probe{
	// What a process may use: sealed by a cgroup's limits.
	{Name: "fork", Question: "start processes without end?", Root: "SSSSS", User: "SSSSS", Limit: true, inside: forkWithoutEnd},
	{Name: "memory", Question: "take memory without end?", Root: "SSSSS", User: "SSSSS", Limit: true, inside: eatWithoutEnd},
	{Name: "cpu", Question: "take every CPU for itself?", Root: "SSSSS", User: "SSSSS", Limit: true, inside: burnWithoutEnd},

	// What a process can see: sealed by namespaces.
	{Name: "processes", Question: "see the host's processes?", Root: "LSSSS", User: "LSSSS", inside: seeProcesses},
	{Name: "signal", Question: "kill a process of the host?", Root: "LSSSS", User: "LSSSS", inside: killProcess, outside: (*host).victimDied},
	{Name: "hostname", Question: "see the host's name?", Root: "LSSSS", User: "LSSSS", inside: seeHostname},
	{Name: "mount", Question: "mount something that the host then sees?", Root: "LSSSS", User: "SSSSS", inside: mountInside, outside: (*host).seesMount},
	{Name: "ipc", Question: "read shared memory of the host?", Root: "LSSSS", User: "LSSSS", inside: readSharedMemory},
	{Name: "port", Question: "reach a server on the host's 127.0.0.1?", Root: "LSSSS", User: "LSSSS", inside: reachPort},
	{Name: "socket", Question: "reach an abstract socket of the host?", Root: "LSSSS", User: "LSSSS", inside: reachSocket},
	{Name: "uptime", Question: "see since when the host runs?", Root: "LSSSS", User: "LSSSS", Unsealable: noTimeNamespace, inside: seeUptime, outside: (*host).runsAsLong},
	{Name: "cgroup", Question: "see its place in the host's cgroups?", Root: "LSSSS", User: "LSSSS", inside: seeCgroup},
	{Name: "root", Question: "is root inside root outside?", Root: "LSSSS", User: "SSSSS", inside: reportPID, outside: (*host).rootOutside},
	{Name: "mknod", Question: "make a device node for the host's disk?", Root: "LSSSS", User: "SSSSS", inside: makeNode},
	{Name: "priority", Question: "push itself before everybody else (nice -20)?", Root: "LSSSS", User: "SSSSS", inside: raisePriority},
	{Name: "sysctl", Question: "change settings of the host's kernel?", Root: "LSSSS", User: "SSSSS", inside: changeSysctl},
	// No namespace, but from stage 02 on a command gets the descriptors that are meant for it, and no other.
	{Name: "descriptor", Question: "use a file that the host left open?", Root: "LSSSS", User: "LSSSS", inside: useDescriptor},

	// Which files are there: sealed by a root of its own.
	{Name: "file", Question: "read a file of the host?", Root: "LLSSS", User: "LLSSS", inside: readFile},
	{Name: "write", Question: "write to a file of the host?", Root: "LLSSS", User: "LLSSS", inside: writeFile, outside: (*host).wasWritten},
	{Name: "users", Question: "read the host's list of users?", Root: "LLSSS", User: "LLSSS", inside: readUsers},
	{Name: "devices", Question: "see the host's /dev?", Root: "LLSSS", User: "LLSSS", inside: seeDevices},
	{Name: "shm", Question: "use the host's /dev/shm?", Root: "LLSSS", User: "LLSSS", inside: seeShm},
	{Name: "mounts", Question: "see the host's root in the mount table?", Root: "LLSSS", User: "LLSSS", inside: seeMounts},
	{Name: "escape", Question: "walk out of its root to the host's files?", Root: "LLSSS", User: "LLSSS", inside: escapeRoot},
	{Name: "kernel", Question: "read what /proc tells of the host's hardware?", Root: "LLSSS", User: "LLSSS", inside: readKernelFiles},
	{Name: "cgroups", Question: "get at the host's cgroups, by mounting them again if need be?", Root: "LLSSS", User: "LLSSS", Limit: true, inside: mountCgroups},

	// The walls: what is left to do for somebody who is root inside.
	{Name: "environment", Question: "read the environment of whoever started it?", Root: "LLLLS", User: "LLLLS", inside: readEnvironment},
	{Name: "capability", Question: "hold capabilities beyond docker's default set?", Root: "LLLLS", User: "SLLLS", inside: countCapabilities},
	{Name: "fsmount", Question: "mount a file system, if only for itself?", Root: "LLLLS", User: "SLLLS", inside: mountForItself},
	{Name: "privileges", Question: "gain privileges by a set-user-ID program?", Root: "LLLLS", User: "LLLLS", inside: mayGainPrivileges},

	// What only a filter of system calls seals.
	{Name: "userns", Question: "make a user namespace, and be root of it?", Root: "LLLLL", User: "LLLLL", Later: seccompLater, inside: makeUserNamespace},
	{Name: "keyring", Question: "talk to the kernel's key ring?", Root: "LLLLL", User: "LLLLL", Later: seccompLater, inside: useKeyring},
	{Name: "personality", Question: "switch address randomisation off?", Root: "LLLLL", User: "LLLLL", Later: seccompLater, inside: changePersonality},
}

// noTimeNamespace: the kernel was built without.
func noTimeNamespace() string {
	if _, err := os.Stat("/proc/self/ns/time"); os.IsNotExist(err) {
		return "this kernel has no time namespaces"
	}
	return ""
}

// Leaks tells what a stage (1 to 5) promises of the probe: true if it leaks there.
func (p Probe) Leaks(stage int, root, limits bool) bool {
	if p.Limit && !limits {
		return true
	}
	if root {
		return p.Root[stage-1] == 'L'
	}
	return p.User[stage-1] == 'L'
}
