//go:build linux

package container

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"containerkit/02-namespaces/initproc"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/child"
)

func TestMain(m *testing.M) {
	child.Init()
	// The race detector sleeps for a second before a program exits, to let its other threads report;
	// PID 1 has none that run.
	initproc.Env = append(initproc.Env, "GORACE=atexit_sleep_ms=0")
	os.Exit(m.Run())
}

type powers struct {
	Before, Thread, Program map[string]string // CapInh, CapPrm, CapEff, CapBnd and CapAmb
}

var dropping = room.New("capabilities", 0, func(p *powers) error {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return err
	}
	p.Before = capabilities(string(status))
	failed := KeepCapabilities()
	if status, err = os.ReadFile("/proc/thread-self/status"); err != nil {
		return err
	}
	p.Thread = capabilities(string(status))
	// The program is started from this thread, as the payload is, and is root: what execve(2) gives root counts.
	out, err := exec.Command("cat", "/proc/self/status").Output()
	if err != nil {
		return fmt.Errorf("start a program afterwards: %w", err)
	}
	p.Program = capabilities(string(out))
	return failed
})

// keptMask is Kept as the kernel writes a set of capabilities.
func keptMask() (mask uint64) {
	for _, k := range Kept {
		mask |= 1 << k.Cap
	}
	return mask
}

// capabilities finds the sets in the text of /proc/PID/status.
func capabilities(status string) map[string]string {
	sets := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(status)); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.HasPrefix(name, "Cap") {
			sets[name] = strings.TrimSpace(value)
		}
	}
	return sets
}

// After KeepCapabilities neither this thread nor a program that it starts has more than Kept.
func TestKeepCapabilities(t *testing.T) {
	saw, err := dropping.Run(t)
	mask := keptMask()
	kept := fmt.Sprintf("%016x", mask)
	claim.State(t, "kept", kept)
	claim.State(t, "before", saw.Before["CapEff"])
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"} {
		claim.State(t, set, saw.Thread[set])
	}
	claim.State(t, "CapEff of a program", saw.Program["CapEff"])
	claim.NoError(t, "KeepCapabilities drops capabilities", err)
	claim.Equal(t, "the thread can use what is in Kept, and nothing else (CapEff)", "/proc/thread-self/status", kept, saw.Thread["CapEff"])
	claim.Equal(t, "nor can it take more into use (CapPrm)", "/proc/thread-self/status", kept, saw.Thread["CapPrm"])
	claim.Equal(t, "nor can any program that it starts get more (CapBnd)", "/proc/thread-self/status", kept, saw.Thread["CapBnd"])
	claim.Equal(t, "a program that was started as root can use no more either", "/proc/self/status of the program", kept, saw.Program["CapEff"])
	// Either would give capabilities to a program that is not root: the one if its file asks for them, the other always.
	const none = "0000000000000000"
	claim.Equal(t, "nothing is inheritable (CapInh)", "/proc/thread-self/status", none, saw.Thread["CapInh"])
	claim.Equal(t, "nor ambient (CapAmb)", "/proc/thread-self/status", none, saw.Thread["CapAmb"])
	before, err := strconv.ParseUint(saw.Before["CapEff"], 16, 64)
	claim.NoError(t, "the capabilities before can be read", err)
	claim.True(t, "there was more before", "/proc/thread-self/status", before != mask && before&mask == mask, "more than "+kept, saw.Before["CapEff"])
}
