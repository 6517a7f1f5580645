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

// settings is what the flags ask for.
type settings struct {
	container.Config
	network string
}

// options holds the values of the flags.
var options = &settings{Config: container.Config{Resources: cgroup.Budget}}

func (s *settings) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.Hostname, "hostname", container.DefaultHostname, "hostname, at most 64 characters")
	fs.StringVar(&s.Dir, "workdir", "/", "working `directory` in the container")
	fs.StringVar(&s.Root.Dir, "rootfs", "",
		"`directory` with the container's files (default: made from the host's /usr)")
	fs.BoolVar(&s.Root.ReadOnly, "read-only", false, "mount the container's files read-only")
	fs.Int64Var(&s.Resources.Pids, "pids", s.Resources.Pids,
		"limit the `number` of processes and threads; 0: no limit")
	fs.Float64Var(&s.Resources.CPU, "cpus", s.Resources.CPU,
		"limit CPU time to this `number` of CPUs; 0: no limit")
	fs.Func("memory", "limit memory to this many `bytes`, or with k, m, g; 0: no limit (default 256m)",
		func(v string) (err error) {
			s.Resources.Memory, err = parseSize(v)
			return err
		})
	fs.StringVar(&s.network, "network", "lo",
		"attach to `name`: lo for loopback alone, bridge for a veth pair")
	fs.Func("volume", "mount a host `path`: SOURCE:TARGET[:ro]; repeatable", func(v string) error {
		volume, err := rootfs.ParseVolume(v)
		s.Root.Volumes = append(s.Root.Volumes, volume)
		return err
	})
	fs.Func("env", "set an environment `variable`: NAME=VALUE; repeatable", func(v string) error {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("want NAME=VALUE")
		}
		s.Env = append(s.Env, v)
		return nil
	})
}

// parseSize reads a number of bytes, as docker run --memory does: 64m is 64 MiB.
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

// sandbox prepares the process that stands in for the host, for the steps and for containers on a
// bridge. It has its own network namespace, so that nothing changes the machine's network.
func sandbox(cmd *exec.Cmd) { namespace.AsNeeded(namespace.Net | namespace.Mount).Apply(cmd) }

// plugIn attaches a container to the bridge, and adds its /etc/hosts and /etc/resolv.conf. Without
// nftables the container can't leave the host, and say gets the reason.
func plugIn(c *container.Config, say func(why string)) error {
	place, err := network.Prepare(network.Default, c.Hostname)
	if place.Addr.IsValid() && network.NoNftables(err) {
		say(fmt.Sprintf("no route out of the host: %v", err))
	} else if err != nil {
		return err
	}
	c.Connect = place.Connect
	c.Root.Hosts, c.Root.Resolv = place.Hosts(), place.Resolv()
	return nil
}

// sweep removes stale cgroups and directories of killed runs.
func sweep() error {
	_, err := cgroup.Sweep()
	return errors.Join(err, scratch.SweepIfAny())
}

// limits returns the limits that are possible here: none and the reason, if no cgroup can be created.
func (s *settings) limits() (cgroup.Resources, error) {
	if _, err := cgroup.Find(); err != nil {
		return cgroup.Resources{}, err
	}
	return s.Resources, nil
}

// soFar runs a command in the container at stage 5, the complete one.
func soFar(p stage.Payload) (int, error) {
	if err := options.check(); err != nil {
		return 125, err
	}
	status, err := options.run(p)
	if errors.Is(err, container.ErrMemory) {
		err = fmt.Errorf("-memory: %w", err)
	}
	return status, err
}

// check names the flag of a limit that the kernel cannot accept.
func (s *settings) check() error {
	for _, limit := range []struct {
		flag string
		cgroup.Resources
	}{
		{"-memory", cgroup.Resources{Memory: s.Resources.Memory}},
		{"-pids", cgroup.Resources{Pids: s.Resources.Pids}},
		{"-cpus", cgroup.Resources{CPU: s.Resources.CPU}},
	} {
		if err := limit.Check(); err != nil {
			return fmt.Errorf("%s: %w", limit.flag, err)
		}
	}
	return nil
}

// run runs the command.
func (s *settings) run(p stage.Payload) (int, error) {
	c := s.Config
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
		say("no time namespace: this kernel has none")
	}
	switch s.network {
	case "lo":
	case "bridge":
		if err := plugIn(&c, say); err != nil {
			return 125, err
		}
	default:
		return 125, fmt.Errorf("-network %s: must be lo or bridge", s.network)
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
		say(fmt.Sprintf("no limits: %v", no))
		c.Resources = cgroup.Resources{}
		ct, err = container.Start(c)
	}
	if err != nil {
		return container.Status(err), err
	}
	if ct.Unmapped != nil {
		say(fmt.Sprintf("no ID mapping for the files of -rootfs, so nobody (65534) owns them in the container: %v",
			ct.Unmapped))
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
