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

// Config describes a container. Only Args is required.
type Config struct {
	Args []string // the command; Args[0] is looked up in the container's PATH
	Env  []string // added to DefaultEnv, which it overrides; nothing is inherited
	Dir  string   // the working directory, "/" if empty

	Hostname  string           // "container" if empty
	Root      rootfs.Spec      // its files; the zero Spec is the built-in rootfs
	Resources cgroup.Resources // its limits; with the zero Resources no cgroup is created

	// Connect, if set, is called in the parent after the container's namespaces are created and
	// before the command starts. It attaches the network to PID 1. Without it the container has
	// only a loopback interface.
	Connect func(*procfs.Process) error

	// Stdin, Stdout and Stderr belong to the command; nil is /dev/null. Extra files are its file
	// descriptors 3 and up.
	Stdin, Stdout, Stderr *os.File
	Extra                 []*os.File
	// Terminal gives the command a new terminal of the container instead. Container.Terminal is its
	// other end.
	Terminal bool
	Size     unix.Winsize // of that terminal

	// Trace, if set, is called after each part of the assembly. PID 1 waits until it returns, so
	// the caller can inspect the unfinished container from outside.
	Trace func(init *procfs.Process, part Part)

	// Cancel, if it is closed before Start returns, stops the assembly after the current part, even
	// if Trace does not return.
	Cancel <-chan struct{}

	// Without leaves out restrictions. Use it only in lessons that show what a restriction
	// prevents.
	Without Wall
}

// DefaultEnv is the environment that every command gets.
var DefaultEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8",
}

// DefaultHostname is the hostname if Config has none.
const DefaultHostname = "container"

// A Part is one part of the assembly, done by PID 1.
type Part string

// The parts, alphabetically; order.go has their order, with the reasons.
const (
	Base      Part = "base"      // the new root's files are in place
	Born      Part = "born"      // in its cgroup and namespaces, nothing else changed
	Connected Part = "loopback"  // lo is up
	Covered   Part = "cover"     // dangerous files in /proc and /sys are masked or read-only
	Dev       Part = "dev"       // /dev
	Etc       Part = "etc"       // /etc, with the files for this container
	Named     Part = "hostname"  // of the UTS namespace
	Pivoted   Part = "pivot"     // the new root is /, the old one is gone
	Proc      Part = "proc"      // /proc, of this PID namespace
	Sys       Part = "sys"       // /sys, of this network namespace
	Volumes   Part = "volumes"   // mounted from the host
	Walled    Part = "walls"     // capabilities dropped, no_new_privs set
	Ready     Part = "container" // the command is about to start
)

// A Wall is one of this stage's restrictions.
type Wall uint8

// The walls.
const (
	Capabilities Wall = 1 << iota // only Docker's default set is left
	NoNewPrivs                    // execve gives no more privileges: prctl(2), PR_SET_NO_NEW_PRIVS
	Descriptors                   // nothing that the parent left open is inherited: close_range(2)
	Undumpable                    // no process inside can trace PID 1 or write its memory: prctl(2), PR_SET_DUMPABLE
	CoveredPaths                  // masked and read-only paths
	SessionKeys                   // the keys of the caller's session stay outside: keyctl(2), KEYCTL_JOIN_SESSION_KEYRING
)

// minPids is the lowest limit on processes. Go starts a thread for each blocking system call, and
// exits if it cannot. PID 1 has six to nine threads.
const minPids = 16

// hostnameChars are the characters that a hostname can have. The kernel accepts any byte, and a
// terminal interprets control characters. (Hostnames do contain underscores in practice, though
// hostname(7) excludes them.)
const hostnameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"

// complete checks the Config before anything is created, and fills in the defaults. Env is then the
// whole environment of the command.
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

// terminalType returns the caller's TERM, because the caller's terminal shows the command's output.
func terminalType() string {
	if t := os.Getenv("TERM"); t != "" {
		return t
	}
	return "xterm"
}
