//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/lessons/kit/narrate"
)

var (
	uptime = can("uptime", func([]string) (any, error) {
		_, boot, err := namespace.Clocks()
		return boot, err
	})
	unshareUptime = canDo("unshare time", namespace.UnshareUptime)
	writeOffsets  = can("write offsets", func([]string) (any, error) {
		err := namespace.WriteTimeOffsets(0, time.Hour)
		if errors.Is(err, unix.EACCES) {
			return "permission denied", nil
		}
		return "written", err
	})
	unshareTime = canDo("unshare time, no offsets", func() error {
		return namespace.Unshare(namespace.Time)
	})
)

func clocks(n *narrate.Narrator) error {
	n.Question("Can a container have its own uptime?")
	n.Idea("A time namespace shifts the clocks that start at boot. Their offsets can't change once " +
		"a process is inside: its clock would jump. So unshare(2) moves only the caller's future " +
		"children.")
	if !supported(n, "time", "Linux 5.6 or later with CONFIG_TIME_NS (WSL's kernel lacks it)") {
		return nil
	}
	_, host, err := namespace.Clocks()
	if err != nil {
		return err
	}
	n.Control("On the host", narrate.Show("uptime", seconds(host)))
	spec := namespace.AsNeeded(0)
	keeper, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer keeper.close()

	n.Do(narrate.Call{
		Text: "Create a time namespace, write its offsets, then start a child in it",
		Sys: userFirst(spec, 0, [2]string{"unshare(CLONE_NEWTIME)", "for future children"},
			[2]string{`write("/proc/self/timens_offsets", …)`, "uptime 0"},
			[2]string{"clone()", "the child starts inside"}),
		Go:  "namespace.UnshareTime(-monotonic, -boottime)",
		Man: "time_namespaces(7)", Hand: "unshare --time --boottime -100000 --fork uptime",
		At: namespace.UnshareTime, Without: "Start a child in the host's time namespace",
	})
	if !n.Without {
		if err := keeper.ask(nil, unshareUptime); err != nil {
			return err
		}
	}
	inside, err := keeper.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	if err := differ(n, "time", keeper.PID, inside.PID); err != nil {
		return err
	}
	if err := ownUptime(n, keeper, inside); err != nil {
		return err
	}
	if err := offsetsAreFixed(n, spec, keeper); err != nil {
		return err
	}
	n.Note("The time of day isn't shifted: the whole machine shares it.")
	n.Why("LXC sets this with lxc.time.offset.boot; Docker has no flag for time namespaces.")
	n.ByHand(
		"unshare --user --map-root-user --time --boottime 864000 --fork cat /proc/uptime",
		"cat /proc/uptime",
	)
	return nil
}

// ownUptime proves that a child is in the new time namespace, and that its creator, keeper, is not.
func ownUptime(n *narrate.Narrator, keeper, inside *agent) error {
	dir := fmt.Sprintf("/proc/%d", keeper.PID)
	offsets, err := os.ReadFile(dir + "/timens_offsets")
	if err != nil {
		return err
	}
	n.Detail(narrate.Show("timens_offsets", squeeze(string(offsets)), "clock, seconds, nanoseconds"))
	self, err := os.Readlink(dir + "/ns/time")
	if err != nil {
		return err
	}
	children, err := os.Readlink(dir + "/ns/time_for_children")
	if err != nil {
		return err
	}
	n.Proof("The caller of unshare(2) stays in the old time namespace", self != children,
		narrate.Compare("/proc/PID/ns/time", self, "children", children))
	var got time.Duration
	if err := inside.ask(&got, uptime); err != nil {
		return err
	}
	_, host, err := namespace.Clocks()
	if err != nil {
		return err
	}
	n.Proof("The child's uptime starts at zero", got < host/2 && got < time.Minute,
		narrate.Compare("uptime", seconds(got), "host", seconds(host)))
	return nil
}

// offsetsAreFixed proves that keeper, which has a child inside, can't write the offsets any more.
func offsetsAreFixed(n *narrate.Narrator, spec namespace.Spec, keeper *agent) error {
	empty, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer empty.close()
	if err := empty.ask(nil, unshareTime); err != nil {
		return err
	}
	var denied, control string
	if err := empty.ask(&control, writeOffsets); err != nil {
		return err
	}
	if n.Without {
		denied = control // keeper has no new time namespace whose offsets it could write
	} else if err := keeper.ask(&denied, writeOffsets); err != nil {
		return err
	}
	n.Proof("Offsets can't be written once a process is inside", denied == "permission denied",
		narrate.Compare("timens_offsets", denied, "empty namespace", control))
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", int(d.Seconds())) }

// squeeze turns columns into single spaces.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, spaced(line))
	}
	return strings.Join(lines, "\n")
}
