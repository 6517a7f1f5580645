//go:build !linux

package main

import "containerkit/lessons/kit/stage"

func main() { stage.NotLinux() }
