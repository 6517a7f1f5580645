//go:build !linux

// Package stage implements the command line that all stages share. It needs Linux.
package stage

import (
	"fmt"
	"os"
	"runtime"
)

// NotLinux prints what to do on another system, and exits with status 2.
func NotLinux() {
	fmt.Fprintf(os.Stderr, "containerkit: containers need a Linux kernel, and this system is %s.\n", runtime.GOOS)
	fmt.Fprintln(os.Stderr, "Run the same command in a Linux VM: Lima or Colima on macOS, WSL2 on Windows.")
	os.Exit(2)
}
