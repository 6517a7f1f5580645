//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/procfs"
	"containerkit/03-rootfs/rootfs"
)

// Config asks for a container. Only Args must be set.
type Config struct {
	Args []string // the payload; Args[0] is looked up in the container's PATH
	Env  []string // added to DefaultEnv, which it overrides; nothing is inherited
	Dir  string   // the working directory, "/" if empty

	Hostname  string           // "container" if empty
	Root      rootfs.Spec      // its files; the zero Spec is the rootfs on board
	Resources cgroup.Resources // its limits; with the zero Resources no cgroup is made

	// Connect, if set, is called in the parent when the container's namespaces exist and before the payload runs:
	// here the network is attached to PID 1. Without it there is a loopback, and nobody to talk to.
	Connect func(*procfs.Process) error

	// Stdin, Stdout and Stderr are the payload's; nil is /dev/null. Extra files are its descriptors 3 and up.
	Stdin, Stdout, Stderr *os.File
	Extra                 []*os.File
	// Terminal gives the payload a terminal of the container's own instead. Its other end is Container.Terminal.
	Terminal bool
	Size     unix.Winsize // of that terminal

	// Trace, if set, is told of each part of the assembly when it is done. The child waits until it returns, so the
	// half-built container can be looked at from outside, through its PID 1.
	Trace func(init *procfs.Process, part Part)

	// Cancel, if it is closed before Start has returned, ends the assembly after the part that is being done, even if Trace
	// does not return.
	Cancel <-chan struct{}

	// Without leaves walls out. It is for lessons that show what a wall is good for, and for nothing else.
	Without Wall
}

// DefaultEnv is the environment that every payload gets.
var DefaultEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8",
}

// DefaultHostname is the name of a container that was given none.
const DefaultHostname = "container"

// A Part is one part of the assembly, done by the child.
type Part string

// The parts; order.go says in which order they are done, and why.
const (
	Base      Part = "base"      // the new root's files lie ready
	Born      Part = "born"      // in its cgroup and namespaces, nothing else changed
	Connected Part = "loopback"  // lo is up
	Covered   Part = "cover"     // dangerous files in /proc and /sys are covered or read-only
	Dev       Part = "dev"       // /dev
	Etc       Part = "etc"       // and the files that are made for this container
	Named     Part = "hostname"  // the UTS namespace is of use
	Pivoted   Part = "pivot"     // the new root is /, the old one is gone
	Proc      Part = "proc"      // /proc, of this PID namespace
	Sys       Part = "sys"       // /sys, of this network namespace
	Volumes   Part = "volumes"   // what the host lends
	Walled    Part = "walls"     // capabilities and the chance of getting more are gone
	Ready     Part = "container" // the payload is about to start
)

// A Wall is one of this stage's own protections.
type Wall uint8

// The walls.
const (
	Capabilities Wall = 1 << iota // only docker's default set is left
	NoNewPrivs                    // no program gives more than its caller has: prctl(2), PR_SET_NO_NEW_PRIVS
	Descriptors                   // nothing that the parent left open is inherited: close_range(2)
	Undumpable                    // nobody inside can look into process 1 or change it: prctl(2), PR_SET_DUMPABLE
	CoveredPaths                  // masked and read-only paths
	SessionKeys                   // the keys of the caller's session stay outside: keyctl(2), KEYCTL_JOIN_SESSION_KEYRING
)

// minPids is the lowest limit on processes. Go starts a thread for each blocking system call, and if it
// cannot, it ends the program. PID 1 has six to nine.
const minPids = 16

// hostnameChars are what a hostname can hold. The kernel takes any byte, and a terminal would obey the
// control characters among them. (Names of machines do have underscores, though hostname(7) has none.)
const hostnameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

// complete checks what can be checked before anything is made, and fills in the defaults. Env is all of the payload's
// environment then.
func (c Config) complete() (Config, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return c, errors.New("container: no command to run")
	}
	if c.Hostname == "" {
		c.Hostname = DefaultHostname
	}
	if len(c.Hostname) > 64 || strings.Trim(c.Hostname, hostnameChars) != "" {
		return c, fmt.Errorf("container: hostname %q: at most 64 ASCII letters, digits, dots, hyphens and underscores "+
			"(hostname(7))", c.Hostname)
	}
	if c.Root.Hostname == "" {
		c.Root.Hostname = c.Hostname
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	if !path.IsAbs(c.Dir) {
		return c, fmt.Errorf("container: working directory %q: it must start with /", c.Dir)
	}
	env := append(append([]string{}, DefaultEnv...), "HOSTNAME="+c.Hostname)
	if c.Terminal {
		env = append(env, "TERM="+terminalType())
	}
	for _, e := range c.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return c, fmt.Errorf("container: environment %q: want NAME=VALUE", e)
		}
	}
	c.Env = append(env, c.Env...) // the last entry for a variable counts: see namespace.Program
	if err := c.Resources.Check(); err != nil {
		return c, err
	}
	if p := c.Resources.Pids; p > 0 && p < minPids {
		return c, fmt.Errorf("container: a limit of %d processes: it must be at least %d, "+
			"because PID 1 is a Go program, and its threads count", p, minPids)
	}
	return c, c.Root.Check()
}

// terminalType is the caller's, since it is the caller's terminal that shows what the payload writes.
func terminalType() string {
	if t := os.Getenv("TERM"); t != "" {
		return t
	}
	return "xterm"
}
