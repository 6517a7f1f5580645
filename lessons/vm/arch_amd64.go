package vm

// What differs between the machines that QEMU plays.
const (
	qemuBinary  = "qemu-system-x86_64"
	qemuMachine = "q35"
	qemuConsole = "ttyS0"
	debianArch  = "amd64"
)
