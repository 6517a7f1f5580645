//go:build linux

package leak

import (
	"fmt"
	"os"
)

// A Probe is an attack from inside a container. It leaks if the attack succeeds; otherwise it is
// sealed.
type Probe struct {
	Name string
	// Attack completes "Can it …": "kill a host process".
	Attack string
	// Root and User have the promises of the five stages, a letter for each: L leaks, S sealed.
	// Root is for containers that root starts, User for an ordinary user's. They differ if the user
	// lacks the privilege anyway, or if a user namespace grants a privilege that only stage 05
	// drops.
	Root, User string
	// Limit means that a limit of a cgroup seals the probe: without a cgroup, every stage leaks.
	Limit bool
	// Unsealable, if set, returns why this kernel can't seal the probe at any stage, or "" if it
	// can.
	Unsealable func() string
	// Later names what seals a probe that leaks at every stage.
	Later string
	// inside attacks. leaks reports whether the attack succeeded, and saw is its evidence.
	inside func(m Markers) (leaks bool, saw string)
	// outside, if set, checks the victim afterwards, and its result replaces that of inside.
	outside func(h *host) (leaks bool, saw string)
}

const seccomp = "a seccomp filter, which this course doesn't add"

// Probes lists the probes in the order in which the stages seal them.
var Probes = []Probe{
	// What a process can use: sealed by the limits of a cgroup.
	{Name: "fork", Attack: "start unlimited processes", Root: "SSSSS", User: "SSSSS", Limit: true, inside: forkWithoutEnd},
	{Name: "memory", Attack: "allocate unlimited memory", Root: "SSSSS", User: "SSSSS", Limit: true, inside: eatWithoutEnd},
	{Name: "cpu", Attack: "use every CPU", Root: "SSSSS", User: "SSSSS", Limit: true, inside: burnWithoutEnd},

	// What a process can see: sealed by namespaces.
	{Name: "processes", Attack: "list the host's processes", Root: "LSSSS", User: "LSSSS", inside: seeProcesses},
	{Name: "signal", Attack: "kill a host process", Root: "LSSSS", User: "LSSSS", inside: killProcess, outside: (*host).victimDied},
	{Name: "hostname", Attack: "read the host's hostname", Root: "LSSSS", User: "LSSSS", inside: seeHostname},
	{Name: "mount", Attack: "mount something on the host", Root: "LSSSS", User: "SSSSS", inside: mountInside, outside: (*host).seesMount},
	{Name: "ipc", Attack: "read the host's shared memory", Root: "LSSSS", User: "LSSSS", inside: readSharedMemory},
	{Name: "port", Attack: "connect to host's 127.0.0.1", Root: "LSSSS", User: "LSSSS", inside: reachPort},
	{Name: "socket", Attack: "connect to an abstract socket", Root: "LSSSS", User: "LSSSS", inside: reachSocket},
	{Name: "uptime", Attack: "read the host's uptime", Root: "LSSSS", User: "LSSSS", Unsealable: noTimeNamespace, inside: seeUptime, outside: (*host).runsAsLong},
	{Name: "cgroup", Attack: "read its host cgroup path", Root: "LSSSS", User: "LSSSS", inside: seeCgroup},
	{Name: "root", Attack: "be root on the host", Root: "LSSSS", User: "SSSSS", inside: reportPID, outside: (*host).rootOutside},
	{Name: "mknod", Attack: "create a disk device node", Root: "LSSSS", User: "SSSSS", inside: makeNode},
	{Name: "priority", Attack: "raise its priority (nice -20)", Root: "LSSSS", User: "SSSSS", inside: raisePriority},
	{Name: "sysctl", Attack: "change kernel settings", Root: "LSSSS", User: "SSSSS", inside: changeSysctl},
	// Not sealed by a namespace: from stage 02 on, a command inherits only its own file
	// descriptors.
	{Name: "descriptor", Attack: "use a leaked file descriptor", Root: "LSSSS", User: "LSSSS", inside: useDescriptor},

	// Which files are there: sealed by its own root.
	{Name: "file", Attack: "read a host file", Root: "LLSSS", User: "LLSSS", inside: readFile},
	{Name: "write", Attack: "write to a host file", Root: "LLSSS", User: "LLSSS", inside: writeFile, outside: (*host).wasWritten},
	{Name: "users", Attack: "read the host's /etc/passwd", Root: "LLSSS", User: "LLSSS", inside: readUsers},
	{Name: "devices", Attack: "see the host's /dev", Root: "LLSSS", User: "LLSSS", inside: seeDevices},
	{Name: "shm", Attack: "use the host's /dev/shm", Root: "LLSSS", User: "LLSSS", inside: seeShm},
	{Name: "mounts", Attack: "see the host's root mounted", Root: "LLSSS", User: "LLSSS", inside: seeMounts},
	{Name: "escape", Attack: "escape by chroot", Root: "LLSSS", User: "LLSSS", inside: escapeRoot},
	{Name: "kernel", Attack: "read /proc/interrupts", Root: "LLSSS", User: "LLSSS", inside: readKernelFiles},
	{Name: "cgroups", Attack: "reach the host's cgroups", Root: "LLSSS", User: "LLSSS", Limit: true, inside: mountCgroups},

	// What root in the container can still do: sealed by dropping privileges.
	{Name: "environment", Attack: "read caller's environment", Root: "LLLLS", User: "LLLLS", inside: readEnvironment},
	{Name: "capability", Attack: "exceed Docker's capabilities", Root: "LLLLS", User: "SLLLS", inside: countCapabilities},
	{Name: "fsmount", Attack: "mount a file system", Root: "LLLLS", User: "SLLLS", inside: mountForItself},
	{Name: "privileges", Attack: "gain privileges by setuid", Root: "LLLLS", User: "LLLLS", inside: mayGainPrivileges},

	// Sealed only by a seccomp filter.
	{Name: "userns", Attack: "create a user namespace", Root: "LLLLL", User: "LLLLL", Later: seccomp, inside: makeUserNamespace},
	{Name: "keyring", Attack: "use the kernel keyring", Root: "LLLLL", User: "LLLLL", Later: seccomp, inside: useKeyring},
	{Name: "personality", Attack: "turn off ASLR", Root: "LLLLL", User: "LLLLL", Later: seccomp, inside: changePersonality},
}

// noTimeNamespace returns why uptime can't be sealed, if the kernel was built without time
// namespaces.
func noTimeNamespace() string {
	if _, err := os.Stat("/proc/self/ns/time"); os.IsNotExist(err) {
		return "time namespaces, which this kernel doesn't have"
	}
	return ""
}

// Leaks reports whether a stage (1 to 5) promises that the probe leaks. root reports whether root
// starts the container, limits whether a cgroup can be created.
func (p Probe) Leaks(stage int, root, limits bool) bool {
	if p.Limit && !limits {
		return true
	}
	if root {
		return p.Root[stage-1] == 'L'
	}
	return p.User[stage-1] == 'L'
}

// needs returns what would seal the probe at a stage, as the end of the sentence "These need …".
func (p Probe) needs(stage int, root, limits bool) string {
	if p.Unsealable != nil && p.Unsealable() != "" {
		return p.Unsealable()
	}
	if p.Limit && !limits {
		return "a cgroup, which you can't create here: see `go run ./lessons doctor`"
	}
	for s := stage; s <= 5; s++ {
		if !p.Leaks(s, root, limits) {
			return fmt.Sprintf("stage %02d", s)
		}
	}
	return p.Later
}
