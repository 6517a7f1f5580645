// Package course has the table of contents: every stage, its steps in order, what each step claims,
// and what it needs from the machine. The package contains only data. The stages' programs, `go run
// ./lessons`, the doctor and `verify` all read it, so they agree about the contents.
package course

// A Feature is an ability that a machine can have or lack. The doctor probes for it by trying.
type Feature string

// The features that steps need.
const (
	Cgroups  Feature = "cgroups"   // a cgroup can be created, by root or in a delegated subtree
	Pids     Feature = "pids"      // the pids controller can be used
	Memory   Feature = "memory"    // the memory controller can be used
	CPU      Feature = "cpu"       // the cpu controller can be used
	Cpuset   Feature = "cpuset"    // the cpuset controller can be used
	IO       Feature = "io"        // the io (v1: blkio) controller can throttle a disk
	Freezer  Feature = "freezer"   // processes can be frozen
	PSI      Feature = "psi"       // the kernel measures pressure
	CPUs2    Feature = "two CPUs"  // at least two CPUs can be used
	UserNS   Feature = "user"      // user namespaces, also for an ordinary user
	PIDNS    Feature = "pid"       // the other seven namespaces can be created
	UTSNS    Feature = "uts"       //
	MountNS  Feature = "mnt"       //
	IPCNS    Feature = "ipc"       //
	NetNS    Feature = "net"       //
	TimeNS   Feature = "time"      //
	CgroupNS Feature = "cgroup"    //
	Overlay  Feature = "overlay"   // overlayfs can be mounted (in a user namespace if need be)
	Bridge   Feature = "bridge"    // links of the types veth and bridge
	Nftables Feature = "nftables"  // nft tables with NAT
	Terminal Feature = "terminals" // a new devpts instance
)

// A Step is one narrated experiment: a question, the kernel's answer, and claims.
type Step struct {
	Name  string
	Claim string    // one line: what the step proves
	Needs []Feature // if one is missing, the step is skipped, with the reason
}

// A Stage is one of the five programs.
type Stage struct {
	Dir   string // its directory, and its name: "01-cgroups"
	Title string // "what a process can use"
	Adds  string // what the container of `-- COMMAND` has from this stage on
	Steps []Step
}

// Stages lists the stages of the course, in order.
var Stages = []Stage{Cgroups01, Namespaces02, Rootfs03, Network04, Full05}

// Cgroups01 describes stage 01.
var Cgroups01 = Stage{
	Dir: "01-cgroups", Title: "what a process can use",
	Adds: "limits on processes, memory and CPU",
	Steps: []Step{
		{"hierarchy", "a cgroup is a directory in which a process can start", []Feature{Cgroups}},
		{"pids", "a fork bomb stops at the limit", []Feature{Cgroups, Pids}},
		{"memory", "the kernel kills a process that exceeds the memory limit", []Feature{Cgroups, Memory}},
		{"cpu", "a quota limits CPU time, and weights divide it", []Feature{Cgroups, CPU}},
		{"cpuset", "a process runs only on the CPUs of its cpuset", []Feature{Cgroups, Cpuset, CPUs2}},
		{"io", "the kernel slows down writes that exceed the limit", []Feature{Cgroups, IO}},
		{"freeze", "a frozen process notices only that the clock has jumped", []Feature{Cgroups, Freezer}},
		{"kill", "killing a cgroup leaves no process behind", []Feature{Cgroups}},
		{"pressure", "PSI shows how long processes wait for a CPU", []Feature{Cgroups, PSI}},
		{"delegate", "a user controls what is below a delegated cgroup", []Feature{Cgroups, Pids}},
	},
}

// Namespaces02 describes stage 02.
var Namespaces02 = Stage{
	Dir: "02-namespaces", Title: "what a process can see",
	Adds: "its own namespaces of all eight kinds, and a new /proc",
	Steps: []Step{
		{"pid", "a process has a PID in each PID namespace that it is in", []Feature{PIDNS, MountNS}},
		{"pid1", "PID 1 adopts orphans and ignores signals without a handler", []Feature{PIDNS}},
		{"uts", "a hostname set inside doesn't change the host's hostname", []Feature{UTSNS}},
		{"mnt", "private propagation keeps a mount off the host", []Feature{MountNS}},
		{"ipc", "message queues belong to one IPC namespace", []Feature{IPCNS}},
		{"user", "root in a user namespace is unprivileged on the host", []Feature{UserNS}},
		{"net", "a new network namespace has only a loopback that is down", []Feature{NetNS}},
		{"time", "a time namespace lets uptime start at zero", []Feature{TimeNS}},
		{"cgroup", "a process sees its own cgroup as the root", []Feature{CgroupNS}},
		{"join", "docker exec joins the namespaces of a running process", []Feature{UTSNS, PIDNS, MountNS}},
		{"all", "a container has its own namespace of each of eight kinds", []Feature{UserNS, PIDNS, UTSNS, MountNS, IPCNS, NetNS, TimeNS, CgroupNS}},
	},
}

// Rootfs03 describes stage 03.
var Rootfs03 = Stage{
	Dir: "03-rootfs", Title: "which files a container has",
	Adds: "its own root filesystem: the host's /usr under an overlay, the rest generated",
	Steps: []Step{
		{"tree", "a program needs the interpreter and libraries its ELF file names", nil},
		{"chroot", "chroot changes a process's root directory and nothing else", []Feature{MountNS}},
		{"escape", "root can escape from a chroot", []Feature{MountNS}},
		{"pivot", "after pivot_root, the same escape finds nothing", []Feature{MountNS, PIDNS}},
		{"proc", "a container gets its own /proc, /sys and /dev, with masked paths", []Feature{MountNS, PIDNS, NetNS}},
		{"overlay", "writes go to the upper layer; the layers below stay unchanged", []Feature{MountNS, Overlay}},
		{"volume", "a volume shares a directory of the host, writable or read-only", []Feature{MountNS}},
		{"readonly", "a read-only root rejects every write, even root's", []Feature{MountNS}},
	},
}

// Network04 describes stage 04.
var Network04 = Stage{
	Dir: "04-network", Title: "what a process can reach",
	Adds: "its own network: a veth pair on a bridge, NAT, and a DNS server",
	Steps: []Step{
		{"loopback", "127.0.0.1 doesn't work until lo is up", []Feature{NetNS}},
		{"veth", "a veth pair connects two network namespaces", []Feature{NetNS, Bridge}},
		{"bridge", "a bridge connects containers on one subnet", []Feature{NetNS, Bridge}},
		{"route", "packets reach another subnet through a router", []Feature{NetNS, Bridge}},
		{"nat", "masquerading hides the container's address behind the host's", []Feature{NetNS, Bridge, Nftables}},
		{"publish", "a published port leads from the host to a container", []Feature{NetNS, Bridge, Nftables}},
		{"dns", "a container resolves names with two files and a DNS server", []Feature{NetNS, Bridge, MountNS}},
		{"isolate", "a drop rule separates two bridges", []Feature{NetNS, Bridge, Nftables}},
	},
}

// Full05 describes stage 05.
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
