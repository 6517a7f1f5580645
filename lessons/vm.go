package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"containerkit/lessons/vm"
)

// statusError is a command's exit status that is to be ours.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func vmCommand() *cobra.Command {
	v := &vm.Config{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	c := &cobra.Command{
		Use: "vm [-- COMMAND…]", Short: "a small virtual machine with this machine's files, for all that must not touch it",
		Long: "Starts a VM and hands over a shell in it, or runs a command there and returns its\n" +
			"exit status. The VM's files are this machine's, but what is changed in it stays in\n" +
			"it and is gone when it ends. It has cgroup v2 alone, a user \"learner\" beside root,\n" +
			"and no network. It needs no root, and no KVM.",
		RunE: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 0 && len(args) > 0 {
				return fmt.Errorf("a command for the VM follows after --: vm -- %s", strings.Join(args, " "))
			}
			if len(args) > 0 {
				v.Command = args
			}
			if err := v.Check(); err != nil {
				return err
			}
			status, err := vm.Run(v)
			if err != nil {
				return failure{err}
			}
			if status != 0 {
				return statusError(status)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&v.Engine, "engine", "auto", "auto, qemu or uml")
	f.IntVar(&v.Memory, "memory", 2048, "MiB of memory, which hold all that is written in the VM")
	f.IntVar(&v.CPUs, "cpus", 2, "processors; without KVM one thread emulates them all in turn")
	f.StringVar(&v.Kernel, "kernel", "", "the kernel's image (default: the newest installed one)")
	f.StringVar(&v.Share, "share", "ro", "rw: changes to the checkout are made on this machine; ro: they stay in the VM")
	f.StringVar(&v.User, "user", "root", "who runs the command: root or learner")
	f.StringArrayVar(&v.Keep, "keep", nil, "a directory below /tmp or /run to be seen in the VM, which has its own (repeatable)")
	f.BoolVar(&v.Time, "time", false, "print the phases of the boot")
	f.BoolVar(&v.Console, "console", false, "print what the kernel says")
	return c
}
