//go:build linux

package rootfs

import "golang.org/x/sys/unix"

// harmless are the flags of a file system that holds information, not files: no set-user-ID program, no device and no
// program at all is to be expected there.
const harmless = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// Sys mounts /sys read-only: it is the kernel's own inventory of devices, and writing there sets them up.
// It shows the network of our network namespace, and needs one that our user namespace owns (EPERM else). Like Proc
// it must come before Pivot.
func (r *Rootfs) Sys() error { return mount("sysfs", "sys", "sysfs", harmless|unix.MS_RDONLY, "") }

// A Path is an entry of the tables below: what is covered, and why.
type Path struct{ Name, Why string }

// Names are the paths of a table.
func Names(table []Path) []string {
	names := make([]string, len(table))
	for i, p := range table {
		names[i] = p.Name
	}
	return names
}

// Masked are parts of /proc and /sys that no namespace makes one's own: they speak of the machine. Container engines
// agree on about this list (the default of the OCI runtime specification's maskedPaths, as Docker sets it).
var Masked = []Path{
	{"/proc/acpi", "power and sleep states of the machine; writing there switches hardware"},
	{"/proc/asound", "the sound cards and what they play, so whether somebody is there"},
	{"/proc/interrupts", "counts of interrupts: a clock for spying on keystrokes"},
	{"/proc/kcore", "the memory of the machine as one file"},
	{"/proc/keys", "the names of the keys in the kernel's keyring, which has no namespace"},
	{"/proc/latency_stats", "where other processes had to wait"},
	{"/proc/sched_debug", "all processes of the machine, whatever the pid namespace"},
	{"/proc/scsi", "the disks; writing there can take one away from the host"},
	{"/proc/timer_list", "timers with the names of the processes that set them"},
	{"/proc/timer_stats", "the same, counted"},
	{"/sys/devices/virtual/powercap", "the energy used, which betrays what others compute (CVE-2020-8694)"},
	{"/sys/firmware", "what the firmware says of the machine: serial numbers, variables"},
}

// ReadOnlyPaths are parts of /proc that programs read, but that change the machine when written.
var ReadOnlyPaths = []Path{
	{"/proc/bus", "the configuration of PCI devices"},
	{"/proc/fs", "switches of the host's file systems"},
	{"/proc/irq", "which CPU serves which device"},
	{"/proc/sys", "the kernel's settings; the few that belong to a namespace are lost with the rest"},
	{"/proc/sysrq-trigger", "one letter written here reboots the machine"},
}
