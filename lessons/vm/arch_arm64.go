package vm

// What differs between the machines that QEMU plays.
const (
	qemuBinary  = "qemu-system-aarch64"
	qemuMachine = "virt"
	qemuConsole = "ttyAMA0"
	debianArch  = "arm64"
)
