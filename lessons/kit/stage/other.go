//go:build !linux

// Package stage is the command line that all stages share. On other systems there is only this to say.
package stage

import (
	"fmt"
	"os"
	"runtime"
)

// NotLinux says what to do on a system without these kernel features, and exits with 2.
func NotLinux() {
	fmt.Fprintf(os.Stderr, "containerkit: containers are a feature of the Linux kernel, and this is %s.\n", runtime.GOOS)
	fmt.Fprintln(os.Stderr, "Run it in a Linux VM: Lima or Colima on macOS, WSL2 on Windows, any distribution elsewhere; then the same command.")
	os.Exit(2)
}
