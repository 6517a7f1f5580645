//go:build linux

package network_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/namespace"
	"containerkit/02-namespaces/procfs"
	"containerkit/04-network/network"
	"containerkit/lessons/exercise/room"
)

type estranged struct {
	Lacking     string // why it cannot be tried here
	Check       string // what procfs.Check says
	Here, There string // the links
}

// strangers is a room in a PID namespace that has no /proc: the one that it sees is ours, in which the
// PIDs of its children are other processes'.
var strangers = room.New("strangers", unix.CLONE_NEWNET|unix.CLONE_NEWPID, func(e *estranged) error {
	if err := procfs.Check(); err != nil {
		e.Check = err.Error()
	}
	if e.Lacking = cables(); e.Lacking != "" {
		return nil
	}
	box, err := hold()
	if err != nil {
		return err
	}
	err = errors.Join(network.Cable(box, "ck-web", network.Inside),
		network.SetAddr(box, network.Inside, netip.MustParsePrefix("10.88.0.2/24")))
	e.Here, e.There = linkNames(nil), linkNames(box)
	return err
})

// What is meant for a child reaches that child, also where /proc/PID is another process.
func TestInForeignProc(t *testing.T) {
	saw, err := strangers.Run(t)
	if saw.Lacking != "" {
		t.Skip(saw.Lacking)
	}
	require.NoError(t, err)
	require.Contains(t, saw.Check, procfs.ErrForeign.Error(), "the control: /proc is another PID namespace's")
	require.Equal(t, "lo down, ck-web up", saw.Here)
	require.Equal(t, "lo down, eth0 up", saw.There)
}

// A process that exited has no network namespace to act on.
func TestInExited(t *testing.T) {
	sleep := namespace.Program{Path: "/bin/sleep", Args: []string{"sleep", "60"}}
	p, err := namespace.AsNeeded(namespace.Net).Start(sleep, namespace.Birth{})
	if errors.Is(err, unix.EPERM) {
		t.Skip("no network namespace can be created here: ", err)
	}
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.Signal(unix.SIGKILL))
	_, err = p.Wait()
	require.NoError(t, err)
	err = network.In(p, func() error { t.Error("it ran"); return nil })
	require.ErrorIs(t, err, unix.ESRCH)
	require.Error(t, network.Cable(p, "ck-web", network.Inside))
}
