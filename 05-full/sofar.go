//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"containerkit/01-cgroups/cgroup"
	"containerkit/02-namespaces/namespace"
	"containerkit/03-rootfs/rootfs"
	"containerkit/04-network/network"
	"containerkit/05-full/container"
	"containerkit/lessons/kit/leak"
	"containerkit/lessons/kit/narrate"
	"containerkit/lessons/kit/scratch"
	"containerkit/lessons/kit/stage"
)

// settings are the flags of a container.
type settings struct {
	container.Config
	network string
}

// options holds what the command line says.
var options = &settings{Config: container.Config{Resources: cgroup.Budget}}

func (s *settings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.Hostname, "hostname", container.DefaultHostname, "the container's hostname")
	fs.StringVar(&s.Dir, "workdir", "/", "working directory inside")
	fs.StringVar(&s.Root.Dir, "rootfs", "", "directory with the container's files; without it, the host's /usr and generated files")
	fs.BoolVar(&s.Root.ReadOnly, "read-only", false, "make the container's files read-only")
	fs.Int64Var(&s.Resources.Pids, "pids", s.Resources.Pids, "at most so many processes; 0 is no limit")
	fs.Float64Var(&s.Resources.CPU, "cpus", s.Resources.CPU, "at most so many CPUs' worth of time; 0 is no limit")
	fs.Func("memory", "at most so much memory: bytes, or with k, m, g; 0 is no limit (default 256m)", func(v string) (err error) {
		s.Resources.Memory, err = parseSize(v)
		return err
	})
	fs.StringVar(&s.network, "network", "lo", `"lo" for a loopback alone, "bridge" for a cable to a bridge in a network namespace that plays the host`)
	fs.Func("volume", "lend a directory or file: SOURCE:TARGET[:ro]; may be repeated", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		s.Root.Volumes = append(s.Root.Volumes, volume)
		return err
	})
	fs.Func("env", "set a variable: NAME=VALUE; may be repeated", func(v string) error {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("want NAME=VALUE")
		}
		s.Env = append(s.Env, v)
		return nil
	})
}

// parseSize reads a number of bytes, as docker's --memory does: 64m are 64 MiB.
func parseSize(v string) (int64, error) {
	number, unit := v, int64(1)
	if v != "" {
		switch v[len(v)-1] | 0x20 {
		case 'k':
			unit = 1 << 10
		case 'm':
			unit = 1 << 20
		case 'g':
			unit = 1 << 30
		}
		if unit > 1 {
			number = v[:len(v)-1]
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q is not a size: want a number of bytes, or one with k, m or g", v)
	}
	return n * unit, nil
}

func (s *settings) bridged() bool { return s.network == "bridge" }

// sandbox prepares the process that plays the host for the steps, and for containers on a bridge: in a network of its
// own, so that the machine's is never touched.
func sandbox(cmd *exec.Cmd) { namespace.AsNeeded(namespace.Net | namespace.Mount).Apply(cmd) }

// plugIn gives a container a place on the bridge, and the files that say so. Without nftables it has no way out of the
// host; say is told.
func plugIn(c *container.Config, say func(why string)) error {
	place, err := network.Prepare(network.Default, c.Hostname)
	if place.Addr.IsValid() && network.NoNftables(err) {
		say(fmt.Sprintf("no way out of the host: %v", err))
	} else if err != nil {
		return err
	}
	c.Connect = place.Connect
	c.Root.Hosts, c.Root.Resolv = place.Hosts(), place.Resolv()
	return nil
}

// sweep removes what a killed run left behind.
func sweep() error {
	_, err1 := cgroup.Sweep()
	_, err2 := scratch.Sweep()
	return errors.Join(err1, err2)
}

// limits are the resources to ask for here: none where no cgroup can be had, with the reason.
func (s *settings) limits() (cgroup.Resources, error) {
	if _, err := cgroup.Find(); err != nil {
		return cgroup.Resources{}, err
	}
	return s.Resources, nil
}

// soFar runs a command in the container, which is no longer "so far": nothing is missing.
func soFar(p stage.Payload) (int, error) {
	c := options.Config
	c.Args, c.Extra = p.Argv, p.Extra
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals, stop := p.Catch() // before anything exists that a signal would leave behind
	defer stop()
	say := func(why string) {
		if !p.Quiet {
			fmt.Fprintln(os.Stderr, why)
		}
	}
	if !namespace.HasTime() {
		say("without a time namespace: this kernel has none")
	}
	switch options.network {
	case "lo":
	case "bridge":
		if err := plugIn(&c, say); err != nil {
			return 125, err
		}
	default:
		return 125, fmt.Errorf("-network %s: want lo or bridge", options.network)
	}
	if p.Extra == nil && term.IsTerminal(0) && term.IsTerminal(1) {
		c.Terminal = true
		if size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ); err == nil {
			c.Size = *size
		}
	}
	ct, err := container.Start(c)
	var no *cgroup.Unavailable
	if errors.As(err, &no) {
		say(fmt.Sprintf("without limits: %v", no))
		c.Resources = cgroup.Resources{}
		ct, err = container.Start(c)
	}
	if err != nil {
		return container.Status(err), err
	}
	if ct.Unmapped != nil {
		say(fmt.Sprintf("without an ID map for the files of -rootfs, which belong to nobody inside: %v", ct.Unmapped))
	}
	defer signals.Forward(true, func(s syscall.Signal) { _ = ct.Signal(s) })()
	p.Started()
	if ct.Terminal != nil {
		return ct.Relay(os.Stdin, os.Stdout)
	}
	return ct.Wait()
}

func leaks(n *narrate.Narrator) error {
	_, err := cgroup.Find()
	return leak.Table(n, 5, os.Geteuid() == 0, err == nil, soFar)
}
