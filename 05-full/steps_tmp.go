//go:build linux

package main

import "containerkit/lessons/narrate"

func assemble(n *narrate.Narrator) error { return nil }
func initProcess(n *narrate.Narrator) error { return nil }
func walls(n *narrate.Narrator) error { return nil }
func harmless(n *narrate.Narrator) error { return nil }
func terminal(n *narrate.Narrator) error { return nil }
func (s *settings) quiet() bool { return true }
