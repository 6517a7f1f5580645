//go:build !amd64 && !arm64

package vm

import "runtime"

// Names for the message that QEMU is missing; nobody has tried these machines.
const (
	qemuBinary  = "qemu-system-" + runtime.GOARCH
	qemuMachine = "virt"
	qemuConsole = "ttyS0"
	debianArch  = runtime.GOARCH
)
