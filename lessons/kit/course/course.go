// Package course is the table of contents: every stage, its steps in order, what each step claims, and what it
// needs of the machine. It is data and nothing else. The stages' programs, `go run ./lessons`, the doctor and
// `verify` all read it, so none of them can disagree about what the course holds.
package course

// A Feature is something that a machine can or cannot do. The doctor finds out by trying.
type Feature string

// The features that steps ask for.
const (
	Cgroups  Feature = "cgroups"   // a cgroup can be made, by root or in a delegated subtree
	Pids     Feature = "pids"      // the pids controller can be used
	Memory   Feature = "memory"    // the memory controller can be used
	CPU      Feature = "cpu"       // the cpu controller can be used
	Cpuset   Feature = "cpuset"    // the cpuset controller can be used
	IO       Feature = "io"        // the io (v1: blkio) controller can be used, and a disk can be throttled
	Freezer  Feature = "freezer"   // processes can be frozen
	PSI      Feature = "psi"       // the kernel measures pressure
	CPUs2    Feature = "two CPUs"  // at least two CPUs to choose from
	UserNS   Feature = "user"      // user namespaces, also for an ordinary user
	PIDNS    Feature = "pid"       // …and so on: the other seven namespaces, with the capabilities to make them
	UTSNS    Feature = "uts"       //
	MountNS  Feature = "mnt"       //
	IPCNS    Feature = "ipc"       //
	NetNS    Feature = "net"       //
	TimeNS   Feature = "time"      //
	CgroupNS Feature = "cgroup"    //
	Overlay  Feature = "overlay"   // overlayfs can be mounted (in a user namespace if need be)
	Bridge   Feature = "bridge"    // links of kind veth and bridge
	Nftables Feature = "nftables"  // nft tables with NAT
	Terminal Feature = "terminals" // a new devpts instance
)

// A Step is one run of narration: a question, an answer from the kernel, a proof.
type Step struct {
	Name  string
	Claim string    // one line: what the step proves
	Needs []Feature // without these it is skipped, with the reason
}

// A Stage is one of the five programs.
type Stage struct {
	Dir   string // where it stands, and its name: "01-cgroups"
	Title string // "what a process may use"
	Adds  string // what `-- COMMAND` runs in at this stage, in words
	Steps []Step
}

// Stages is the course, in order.
var Stages = []Stage{Cgroups01, Namespaces02, Rootfs03, Network04, Full05}

// Cgroups01 is stage 01.
var Cgroups01 = Stage{
	Dir: "01-cgroups", Title: "what a process may use",
	Adds: "limits on processes, memory and CPU",
	Steps: []Step{
		{"hierarchy", "a cgroup is a directory: make it, join it, find it in /proc/PID/cgroup", []Feature{Cgroups}},
		{"pids", "a fork bomb stops at the limit", []Feature{Cgroups, Pids}},
		{"memory", "who touches more memory than the limit is killed, and nobody else", []Feature{Cgroups, Memory}},
		{"cpu", "a quota holds a busy loop; weights share one CPU in proportion", []Feature{Cgroups, CPU}},
		{"cpuset", "pinned to one CPU, a process runs nowhere else", []Feature{Cgroups, Cpuset, CPUs2}},
		{"io", "a write is held to its bytes per second", []Feature{Cgroups, IO}},
		{"freeze", "a frozen process stands still, and goes on as if nothing had happened", []Feature{Cgroups, Freezer}},
		{"kill", "the whole group dies at once, grandchildren too", []Feature{Cgroups}},
		{"pressure", "the kernel tells who waits for CPU or memory", []Feature{Cgroups, PSI}},
		{"delegate", "who is handed a group rules below it, and cannot get out", []Feature{Cgroups, Pids}},
	},
}

// Namespaces02 is stage 02.
var Namespaces02 = Stage{
	Dir: "02-namespaces", Title: "what a process can see",
	Adds: "all eight namespaces of its own, and a /proc that fits them",
	Steps: []Step{
		{"pid", "one process has two numbers, and number 1 is special", []Feature{PIDNS, MountNS}},
		{"uts", "a hostname set inside does not change outside", []Feature{UTSNS}},
		{"mnt", "a mount inside is not seen outside, once propagation is private", []Feature{MountNS}},
		{"ipc", "System V and POSIX queues belong to one namespace", []Feature{IPCNS, MountNS}},
		{"user", "root in a user namespace is unprivileged on the host", []Feature{UserNS}},
		{"net", "a new network has nothing but a loopback that is down", []Feature{NetNS}},
		{"time", "uptime can start again, if the offset is set before anyone enters", []Feature{TimeNS}},
		{"cgroup", "a process sees its own cgroup as the root", []Feature{CgroupNS}},
		{"join", "one can enter the namespaces of a running process, as exec does", []Feature{UTSNS, PIDNS, MountNS}},
		{"all", "all eight at once: the namespaces of a container", []Feature{UserNS, PIDNS, UTSNS, MountNS, IPCNS, NetNS, TimeNS, CgroupNS}},
	},
}

// Rootfs03 is stage 03.
var Rootfs03 = Stage{
	Dir: "03-rootfs", Title: "which files are there",
	Adds: "a root of its own: the host's /usr under an overlay, the rest generated",
	Steps: []Step{
		{"tree", "a program needs its interpreter and libraries, and the ELF file says which", nil},
		{"chroot", "chroot changes what / means, and nothing else", []Feature{MountNS}},
		{"escape", "root walks out of a chroot", []Feature{MountNS}},
		{"pivot", "after pivot_root the same escape finds nothing", []Feature{MountNS, PIDNS}},
		{"proc", "/proc, /sys and /dev are made anew, and the dangerous parts are covered", []Feature{MountNS, PIDNS, NetNS}},
		{"overlay", "writes go to a layer on top; what lies below is untouched", []Feature{MountNS, Overlay}},
		{"volume", "a directory of the host is lent, writable or read-only", []Feature{MountNS}},
		{"readonly", "a read-only root refuses every write, root's too", []Feature{MountNS}},
	},
}

// Network04 is stage 04.
var Network04 = Stage{
	Dir: "04-network", Title: "whom it can reach",
	Adds: "a network of its own: veth, bridge, NAT, names",
	Steps: []Step{
		{"loopback", "even loopback must be switched on", []Feature{NetNS}},
		{"veth", "a cable with two ends joins two namespaces", []Feature{NetNS, Bridge}},
		{"bridge", "a switch lets two containers talk", []Feature{NetNS, Bridge}},
		{"route", "without a route there is no way out; with one there is", []Feature{NetNS, Bridge}},
		{"nat", "the outside sees only the host's address", []Feature{NetNS, Bridge, Nftables}},
		{"publish", "a port of the host leads to a server in the container", []Feature{NetNS, Bridge, Nftables}},
		{"dns", "names are two files and a server", []Feature{NetNS, Bridge, MountNS}},
		{"isolate", "two bridges may not talk when a rule says so", []Feature{NetNS, Bridge, Nftables}},
	},
}

// Full05 is stage 05.
var Full05 = Stage{
	Dir: "05-full", Title: "the container: everything together",
	Adds: "few capabilities, no_new_privs, masked paths",
	Steps: []Step{
		{"assemble", "a process becomes a container, one part at a time", []Feature{PIDNS, UTSNS, MountNS, IPCNS, NetNS}},
		{"init", "PID 1 forwards signals and reaps orphans", []Feature{PIDNS, UTSNS, MountNS, IPCNS, NetNS}},
		{"walls", "root in the container has few privileges", []Feature{PIDNS, UTSNS, MountNS, IPCNS, NetNS}},
		{"harmless", "rm -rf deletes files of the host only on writable volumes", []Feature{PIDNS, UTSNS, MountNS, IPCNS, NetNS}},
		{"terminal", "the container has its own terminal", []Feature{PIDNS, UTSNS, MountNS, IPCNS, NetNS, Terminal}},
	},
}
