//go:build linux

package container

import (
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The plan is checked before anything is made, and filled in.
func TestPlan(t *testing.T) {
	p, err := Config{Args: []string{"true"}, Env: []string{"A=b"}}.plan()
	require.NoError(t, err)
	require.Equal(t, DefaultHostname, p.Hostname)
	require.Equal(t, DefaultHostname, p.Root.Hostname)
	require.Equal(t, "/", p.Dir)
	require.Equal(t, append(append([]string{}, DefaultEnv...), "HOSTNAME="+DefaultHostname, "A=b"), p.Env)
	for _, bad := range []Config{
		{},
		{Args: []string{""}},
		{Args: []string{"true"}, Hostname: "two words"},
		{Args: []string{"true"}, Hostname: strings.Repeat("x", 65)},
		{Args: []string{"true"}, Dir: "here"},
		{Args: []string{"true"}, Env: []string{"=x"}},
	} {
		_, err := bad.plan()
		require.Error(t, err, "%+v", bad)
	}
}

// Packets keep their borders, carry descriptors, and an end is an end.
func TestConversation(t *testing.T) {
	a, b, err := conversation()
	require.NoError(t, err)
	defer b.Close()
	require.NoError(t, send(int(a.Fd()), &message{Part: Born}))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, send(int(a.Fd()), &message{Part: Ready}, w))
	w.Close()
	a.Close()

	var m message
	fds, err := receive(int(b.Fd()), &m)
	require.NoError(t, err)
	require.Equal(t, message{Part: Born}, m)
	require.Empty(t, fds)
	fds, err = receive(int(b.Fd()), &m)
	require.NoError(t, err)
	require.Equal(t, Ready, m.Part)
	pipe := os.NewFile(uintptr(fds[0]), "pipe")
	_, err = pipe.WriteString("through")
	require.NoError(t, err)
	pipe.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "through", string(got))
	_, err = receive(int(b.Fd()), &m)
	require.ErrorIs(t, err, io.EOF)
}

// The largest message that is not refused in words is one that the kernel takes.
func TestTheLargestPacketFitsTheSocket(t *testing.T) {
	a, b, err := conversation()
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	empty, err := pack(&message{})
	require.NoError(t, err)
	long := message{Error: strings.Repeat("x", packet-len(empty))}
	require.NoError(t, send(int(a.Fd()), &long))
	var got message
	_, err = receive(int(b.Fd()), &got)
	require.NoError(t, err)
	require.Equal(t, long, got)
	long.Error += "x"
	require.ErrorContains(t, send(int(a.Fd()), &long), "command and environment of")
}

// needNamespaces keeps the test's goroutine on one thread, with which its containers die, and skips where the kernel
// lets nobody make a user namespace.
func needNamespaces(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if raw, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil && strings.TrimSpace(string(raw)) == "0" {
		t.Skip("user namespaces are switched off: sysctl user.max_user_namespaces=10000")
	}
}

// Parts come in the documented order, and the half-built container can be looked at meanwhile.
func TestTrace(t *testing.T) {
	needNamespaces(t)
	var parts []Part
	status, err := Run(Config{Args: []string{"true"}, Trace: func(pid int, p Part) {
		parts = append(parts, p)
		require.NoError(t, unix.Kill(pid, 0))
	}})
	require.NoError(t, err)
	require.Equal(t, 0, status)
	want, err := order()
	require.NoError(t, err)
	require.Equal(t, append(want, Ready), parts)
}

// What Connect reports ends the start, with nothing left.
func TestConnectFails(t *testing.T) {
	needNamespaces(t)
	var pid int
	_, err := Start(Config{Args: []string{"true"}, Connect: func(p int) error { pid = p; return io.ErrUnexpectedEOF }})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
}

// An error of the child keeps its errno on the way to the parent.
func TestErrnoCrosses(t *testing.T) {
	needNamespaces(t)
	_, err := Start(Config{Args: []string{"true"}, Dir: "/no/such/directory"})
	require.ErrorIs(t, err, unix.ENOENT)
	require.Equal(t, 125, Status(err))
	status, err := Run(Config{Args: []string{"no-such-command"}})
	require.ErrorIs(t, err, unix.ENOENT)
	require.Equal(t, 127, status)
}

// The payload's environment is its own, and the first process shows none of the caller's.
func TestEnvironment(t *testing.T) {
	needNamespaces(t)
	t.Setenv("SECRET", "of the caller")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	status, err := Run(Config{Args: []string{"sh", "-c", "env; cat /proc/self/environ"}, Env: []string{"A=b"}, Stdout: w})
	w.Close()
	require.NoError(t, err)
	require.Equal(t, 0, status)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Contains(t, string(out), "A=b")
	require.NotContains(t, string(out), "SECRET")
}

// The timer slack that lets the first process start undisturbed is not the payload's, nor the caller's any more.
func TestTimerSlack(t *testing.T) {
	needNamespaces(t)
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	status, err := Run(Config{Args: []string{"cat", "/proc/self/timerslack_ns"}, Stdout: w})
	w.Close()
	require.NoError(t, err)
	require.Equal(t, 0, status)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "50000\n", string(out))
	after, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	require.NoError(t, err)
	require.Equal(t, before, after)
}
