//go:build !linux

package main

import "containerkit/lessons/stage"

func main() { stage.NotLinux() }
