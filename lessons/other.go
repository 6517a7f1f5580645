//go:build !linux

package main

func initChildren() {}

// sweep has nothing to do: nothing of the kit runs on this system.
func sweep() ([]string, error) { return nil, nil }
