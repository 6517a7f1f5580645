//go:build linux

package namespace

import (
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The child is this thread's: what other tests did to their threads, be it the process's first one, is none of its business.
func TestWhatWasNotTakenIsNamed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	require.ErrorContains(t, (UTS | Mount).Took(child.Process.Pid), "uts,mnt", "it shares both with us")
	require.NoError(t, Set(0).Took(child.Process.Pid), "nothing was asked for")
	require.ErrorContains(t, UTS.Took(1<<30), "1073741824", "no such process")
}
