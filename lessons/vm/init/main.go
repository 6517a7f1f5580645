//go:build linux

// The guest's /init.
package main

import "containerkit/lessons/vm/guest"

func main() { guest.Main() }
