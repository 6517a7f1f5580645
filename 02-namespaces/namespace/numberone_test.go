//go:build linux

package namespace

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// belowNumberOne starts a shell below number 1 of a container, and waits until it has said what it is to say first.
func belowNumberOne(t *testing.T, script, first string) (p Process) {
	t.Helper()
	needProcessor(t)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	p, err = Container().Vfork(Birth{DeathSignal: unix.SIGKILL}, func(Process) (Program, error) {
		init, _, err := NumberOne([]string{"sh", "-c", script}, []string{"PATH=/usr/bin:/bin"}, []*os.File{os.Stdin, w, os.Stderr}, nil, false)
		return init, err
	})
	w.Close()
	require.NoError(t, err)
	said := make([]byte, len(first))
	_, err = io.ReadFull(r, said)
	require.NoError(t, err)
	require.Equal(t, first, string(said))
	return p
}

// Number 1 ends as the payload ends, and buries who is not the payload.
func TestNumberOneEndsAsThePayload(t *testing.T) {
	for script, want := range map[string]int{
		"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -KILL $$": 137, "kill -SEGV $$": 139,
		"(sh -c 'exit 3' &); sleep 0.2; ls -d /proc/[0-9]* >/dev/null; exit 4": 4, // an orphan that ends earlier
	} {
		p := belowNumberOne(t, script, "")
		require.Equal(t, want, end(t, p).ExitStatus(), script)
	}
}

// A signal for number 1 reaches the payload; the first one too, however early it comes.
func TestNumberOnePassesSignalsOn(t *testing.T) {
	for _, s := range passedOn {
		s := s.(syscall.Signal)
		p := belowNumberOne(t, fmt.Sprintf("trap 'exit %d' %d; echo ready; while :; do sleep 0.02; done", 40+int(s), int(s)), "ready\n")
		require.NoError(t, unix.PidfdSendSignal(p.PidFD, s, nil, 0))
		require.Equal(t, 40+int(s), end(t, p).ExitStatus(), s)
	}
	for range often(50) {
		p := belowNumberOne(t, "sleep 60", "")
		require.NoError(t, unix.PidfdSendSignal(p.PidFD, unix.SIGTERM, nil, 0))
		require.Equal(t, 128+15, end(t, p).ExitStatus())
	}
	// One that is not passed on is not for number 1 either.
	p := belowNumberOne(t, "echo ready; sleep 0.3; exit 6", "ready\n")
	require.NoError(t, unix.PidfdSendSignal(p.PidFD, unix.SIGIO, nil, 0))
	require.Equal(t, 6, end(t, p).ExitStatus())
}

// Number 1 holds nothing of ours: its memory is its own few pages, nothing is open, its program cannot be changed.
func TestNumberOneHoldsNothing(t *testing.T) {
	p := belowNumberOne(t, "echo ready; while :; do sleep 0.02; done", "ready\n")
	proc := fmt.Sprintf("/proc/%d/", p.PID)
	// The kernel gives us our memory back before the new program has a name.
	require.Eventually(t, func() bool { return read(proc+"comm") == "container-init\n" }, time.Minute, time.Millisecond)
	require.Equal(t, "containerkit-init\x00", read(proc+"cmdline"))
	require.Empty(t, read(proc+"environ"))
	fds, err := os.ReadDir(proc + "fd")
	require.NoError(t, err)
	require.Empty(t, fds)
	require.NotContains(t, read(proc+"maps"), "/proc/self/exe")
	require.LessOrEqual(t, strings.Count(read(proc+"maps"), "\n"), 8) // code, stack, and what the kernel adds
	_, err = os.OpenFile(proc+"exe", os.O_WRONLY, 0)
	require.Error(t, err)
	require.NoError(t, unix.PidfdSendSignal(p.PidFD, unix.SIGKILL, nil, 0))
	end(t, p)
}

// What cannot be started has an exit status, and leaves nobody; nor is anything of number 1 open at our end, as it is else.
func TestNumberOneWithoutAPayload(t *testing.T) {
	needProcessor(t)
	before := openFiles(t)
	for command, want := range map[string]int{"no-such-command": 127, "/etc/passwd": 126} {
		got := 0
		_, err := Container().Vfork(Birth{}, func(Process) (Program, error) {
			init, status, err := NumberOne([]string{command}, nil, nil, nil, true)
			got = status
			return init, err
		})
		require.Error(t, err)
		require.Equal(t, want, got, command)
	}
	require.Equal(t, before, openFiles(t))
	p, err := Container().Vfork(Birth{}, func(Process) (Program, error) {
		init, _, err := NumberOne([]string{"/bin/true"}, nil, []*os.File{os.Stdin, os.Stdout, os.Stderr}, nil, true)
		return init, err
	})
	require.NoError(t, err)
	require.Zero(t, end(t, p))
	require.Equal(t, before, openFiles(t))
}
