//go:build linux

package namespace

import (
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The thread is locked, so the child is compared with the namespaces of this thread. Other tests
// can have changed those of the process's other threads, including its first one.
func TestWhatWasNotTakenIsNamed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	require.ErrorContains(t, (UTS | Mount).Took(child.Process.Pid), "uts,mnt",
		"the child shares both with us")
	require.NoError(t, Set(0).Took(child.Process.Pid), "no namespace was requested")
	require.ErrorContains(t, UTS.Took(1<<30), "1073741824", "no such process")
}
