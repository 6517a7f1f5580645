// Package vm starts a small virtual machine whose root is this machine's own, and runs a command or a shell in it.
// What happens in it stays in it: the host's files are read-only below an overlay in memory, enforced outside.
//
// # Who does what
//
// Run, the host's side, asks an [Engine] for a machine, tells the guest over one stream of bytes what to set up and
// what to run, and carries terminal, output, signals and the exit status (package wire has the messages).
// An engine knows how to get a kernel going (QEMU; User-mode Linux) and how that kernel reaches the host's root.
// Package guest is what runs as /init in the machine, the same for all engines; program init wraps it.
//
// # What an engine hands to the guest
//
//   - The initial file system: /init, a static program, and the kernel modules that it must load first, in the order
//     of /modules/list ([Initramfs]). An engine whose kernel has all built in passes no modules.
//   - On the kernel's command line, containerkit.conn=PATH: the device in the guest that is the stream. All else comes
//     over it.
//   - In [wire.Start], which Run fills in and Engine.Start completes: Root (type, source and options of the mount that
//     is the host's root: virtiofs or hostfs), Shares (what is writable), Disk (a block device with an ext4 on it, for
//     the io step), Modules (where the kernel's modules are, if not in /lib/modules).
//   - The engine's processes live in a room (room_linux.go): namespaces of their own, in which the host's whole tree
//     is read-only at roomRoot, and which end, with all that is in them, when we do. What each of them can do there
//     is in its limits (confine_linux.go).
//
// The exit status comes back over the stream ([wire.Exit]). If the stream ends before, the machine has died: its
// console's last lines are shown.
//
// When not to use it: for anything that must be safe from a hostile kernel in the guest. What it does not do: it
// gives the guest no network, and keeps nothing of what was changed in it, but for -share rw.
package vm
