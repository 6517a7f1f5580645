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
	unshareUptime = can("unshare time", func([]string) (any, error) { return nil, namespace.UnshareUptime() })
	writeOffsets  = can("write offsets", func([]string) (any, error) {
		err := namespace.WriteTimeOffsets(0, time.Hour)
		if errors.Is(err, unix.EACCES) {
			return "permission denied", nil
		}
		return "written", err
	})
	unshareTime = can("unshare time, no offsets", func([]string) (any, error) { return nil, namespace.Unshare(namespace.Time) })
)

func clocks(n *narrate.Narrator) error {
	if !supported(n, "time", "Linux 5.6 or later with CONFIG_TIME_NS (WSL's kernel lacks it)") {
		return nil
	}
	n.Question("Can a container have an uptime of its own?")
	_, outside, err := namespace.Clocks()
	if err != nil {
		return err
	}
	n.OldBefore("the machine has been up for", narrate.Data{"seconds": int(outside.Seconds())})
	spec := asNeeded(n, 0)
	keeper, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer keeper.close()

	n.Do(narrate.Call{Text: "make a time namespace for our children, write its offsets, then start a child",
		Go: "namespace.UnshareTime(-monotonic, -boottime)", OldSys: `unshare(CLONE_NEWTIME), write("/proc/self/timens_offsets", …)`,
		Man: "time_namespaces(7)", Hand: "unshare --time --boottime -100000 --fork uptime", At: namespace.UnshareTime})
	if !n.Without {
		if err := keeper.ask(nil, unshareUptime); err != nil {
			return err
		}
	}
	offsets, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", keeper.PID))
	if err != nil {
		return err
	}
	n.OldEvidence(fmt.Sprintf("/proc/%d/timens_offsets (clock, seconds, nanoseconds)", keeper.PID), squeeze(string(offsets)))
	self, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/time", keeper.PID))
	if err != nil {
		return err
	}
	children, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/time_for_children", keeper.PID))
	if err != nil {
		return err
	}
	n.OldEvidence("who called unshare is where it was, its children will not be", self+", children "+children)
	inside, err := keeper.agent(namespace.Spec{})
	if err != nil {
		return err
	}
	if err := differ(n, "time", keeper.PID, inside.PID); err != nil {
		return err
	}
	var got time.Duration
	if err := inside.ask(&got, uptime); err != nil {
		return err
	}
	_, outside, err = namespace.Clocks()
	if err != nil {
		return err
	}
	n.OldProof("inside, the machine has just been started", got < outside/2 && got < time.Minute,
		fmt.Sprintf("up %d s", int(got.Seconds())), fmt.Sprintf("up %d s", int(outside.Seconds())))

	// Writing the offsets: while nobody is inside, and afterwards.
	early, err := newAgent(spec)
	if err != nil {
		return err
	}
	defer early.close()
	if err := early.ask(nil, unshareTime); err != nil {
		return err
	}
	var denied, control string
	if err := early.ask(&control, writeOffsets); err != nil {
		return err
	}
	if n.Without {
		denied = control // nobody has entered anything
	} else if err := keeper.ask(&denied, writeOffsets); err != nil {
		return err
	}
	n.OldProof("offsets cannot be written once somebody is inside", denied == "permission denied", denied, control)
	n.Note("clone(2) cannot make a time namespace: its flag lies in the byte for the exit signal. clone3(2) can, " +
		"but the child is inside at once, and then it is too late for offsets: so it is unshare, write, fork")
	n.Note("the time of day is not in it: that one belongs to the whole machine")
	n.ByHand(
		"unshare --user --map-root-user --time --boottime 864000 --fork cat /proc/uptime",
		"cat /proc/uptime",
	)
	return nil
}

// squeeze turns columns into single spaces.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
