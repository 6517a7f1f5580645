//go:build !linux

package vm

import "runtime"

// Run cannot run here: the VM's files are those of a Linux machine. It tells the shortest way to one.
func Run(*Config) (int, error) { return 0, elsewhere(runtime.GOOS) }

// NoKVM tells nothing: KVM is Linux's.
func NoKVM() string { return "" }
