package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"containerkit/lessons/vm"
)

// A statusError is a command's exit status, which becomes ours.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func vmCommand() *cobra.Command {
	v := &vm.Config{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	c := &cobra.Command{
		Use: "vm [-- COMMAND…]", Short: "start a small virtual machine with this machine's files",
		Long: "Starts a VM with a shell, or runs a command in it and returns the command's exit\n" +
			"status. The VM sees this machine's files, but changes stay in the VM and are gone\n" +
			"when it stops. It has only cgroup v2, a user \"learner\" besides root, and no\n" +
			"network. It needs neither root nor KVM.",
		RunE: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() != 0 && len(args) > 0 {
				return fmt.Errorf("a command for the VM comes after --: vm -- %s", strings.Join(args, " "))
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
	f.StringVar(&v.Engine, "engine", "auto", "engine: auto, qemu or uml")
	f.IntVar(&v.Memory, "memory", 2048, "memory in MiB, which also holds all files written in the VM")
	f.IntVar(&v.CPUs, "cpus", 2, "number of CPUs; without KVM one thread emulates them in turn")
	f.StringVar(&v.Kernel, "kernel", "", "kernel image (default: the newest installed one)")
	f.StringVar(&v.Share, "share", "ro", "rw: changes to the checkout reach this machine; ro: they stay in the VM")
	f.StringVar(&v.User, "user", "root", "user that runs the command: root or learner")
	f.StringArrayVar(&v.Keep, "keep", nil, "show a directory below /tmp or /run in the VM (repeatable)")
	f.BoolVar(&v.Time, "time", false, "print the phases of the boot")
	f.BoolVar(&v.Console, "console", false, "print the kernel's messages")
	return c
}
