//go:build !linux

package sandbox

// Init has nothing to do: no exercise is checked on this system.
func Init() {}
