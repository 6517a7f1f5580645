//go:build !linux

package vm

import "errors"

// Run cannot run here.
func Run(*Config) (int, error) { return 0, errors.New("not yet") }
