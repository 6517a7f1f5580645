//go:build linux

package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

var (
	echo = Register("echo", func(c *Conn) error {
		for {
			var v any
			if err := c.Receive(&v); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := c.Send(v); err != nil {
				return err
			}
		}
	})
	fails = Register("fails", func(c *Conn) error {
		_, err := os.Open("/no/such/file")
		return fmt.Errorf("look for it: %w", err)
	})
	plain  = Register("plain", func(c *Conn) error { return errors.New("no errno in this one") })
	mute   = Register("mute", func(c *Conn) error { return errors.New("") })
	waits  = Register("waits", func(c *Conn) error { c.Wait(); return nil })
	silent = Register("silent", func(c *Conn) error { time.Sleep(time.Hour); return nil })
	reads  = Register("reads", func(c *Conn) error { // what the parent passed
		text, err := io.ReadAll(os.NewFile(3, "extra"))
		return errors.Join(err, c.Send(string(text)))
	})
	// parent starts a child that never exits by itself, sends its PID, and stays.
	parent = Register("parent", func(c *Conn) error {
		p, err := Command(silent)
		if err != nil {
			return err
		}
		if err := errors.Join(p.Start(), c.Send(p.Process.Pid)); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		return nil
	})
)

func start(t *testing.T, name string, extra ...*os.File) *Process {
	t.Helper()
	p, err := Command(name, extra...)
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func TestConversation(t *testing.T) {
	p := start(t, echo)
	for _, v := range []any{"text", 7.0, true, nil, map[string]any{"a": []any{1.0}}, ""} {
		require.NoError(t, p.Send(v))
		var got any
		require.NoError(t, p.Receive(&got))
		require.Equal(t, v, got)
	}
	require.NoError(t, p.Conn.Close())
	require.NoError(t, p.Wait(), "the child exits when the parent closes the conversation")
}

// An error keeps its errno on the way to another process, so errors.Is and the explainer find it.
func TestErrorCrosses(t *testing.T) {
	p := start(t, fails)
	err := p.Receive(nil)
	require.ErrorIs(t, err, syscall.ENOENT)
	require.EqualError(t, err, "look for it: open /no/such/file: no such file or directory")
	require.Error(t, p.Wait())
	require.Equal(t, 1, p.ProcessState.ExitCode())

	err = start(t, plain).Receive(nil)
	require.EqualError(t, err, "no errno in this one")
	var number syscall.Errno
	require.False(t, errors.As(err, &number))

	require.Error(t, start(t, mute).Receive(nil), "an error without a text must arrive, too")
	require.NoError(t, PackError(nil).Unpack())
}

func TestDeadline(t *testing.T) {
	p := start(t, waits)
	began := time.Now()
	err := p.receive(nil, began.Add(50*time.Millisecond))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestOtherSideGone(t *testing.T) {
	p := start(t, waits)
	require.NoError(t, p.Process.Kill())
	require.Equal(t, io.EOF, p.Receive(nil))
	_ = p.Wait()
}

func TestExtraFiles(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = w.WriteString("from the parent")
	require.NoError(t, errors.Join(err, w.Close()))
	p := start(t, reads, r)
	require.NoError(t, r.Close())
	var text string
	require.NoError(t, p.Receive(&text))
	require.Equal(t, "from the parent", text)
}

// Close kills the child and waits for it. A second call has no effect.
func TestClose(t *testing.T) {
	p := start(t, silent)
	require.NoError(t, p.Close())
	require.NotNil(t, p.ProcessState)
	require.NoError(t, p.Close())

	never, err := Command(waits)
	require.NoError(t, err)
	require.NoError(t, never.Close(), "a child that was never started")

	missing, err := Command(waits)
	require.NoError(t, err)
	missing.Path = "/no/such/program"
	require.ErrorIs(t, missing.Start(), syscall.ENOENT)
	require.NoError(t, missing.Close())
}

// kill -9 of a parent also kills its children: no process is left.
func TestKilledParent(t *testing.T) {
	p := start(t, parent)
	var pid int
	require.NoError(t, p.Receive(&pid))
	fd, err := unix.PidfdOpen(pid, 0) // the kernel can reuse a PID, but not a pidfd
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, p.Process.Kill())
	_ = p.Wait()
	ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for { // poll(2): a pidfd is readable when its process has exited
		n, err := unix.Poll(ended, 10_000)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 1, n, "the child of a killed parent still runs")
		return
	}
}

// A program that the child executes does not inherit the file descriptor of the conversation.
func TestCloseOnExec(t *testing.T) {
	p := start(t, runs)
	var fds string
	require.NoError(t, p.Receive(&fds))
	require.NotContains(t, fds, "socket:")
}

var runs = Register("runs", func(c *Conn) error {
	p, err := Command(lists)
	if err != nil {
		return err
	}
	p.Env = append(os.Environ(), connEnv+"=3")
	defer p.Close()
	if err := p.Start(); err != nil {
		return err
	}
	var fds string
	return errors.Join(p.Receive(&fds), c.Send(fds))
})

// lists sends the open file descriptors except the standard streams and its own conversation, 3.
var lists = Register("lists", func(c *Conn) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	text := ""
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !slices.Contains([]string{"0", "1", "2", "3"}, e.Name()) {
			text += e.Name() + " " + to + "\n"
		}
	}
	return c.Send(text)
})

func TestExecutable(t *testing.T) {
	f, err := Executable()
	require.NoError(t, err)
	defer f.Close()
	st, err := f.Stat()
	require.NoError(t, err)
	self, err := os.Stat("/proc/self/exe")
	require.NoError(t, err)
	require.Equal(t, self.Size(), st.Size())
	require.Equal(t, os.FileMode(0o755), st.Mode().Perm())
	p, err := Command(echo)
	require.NoError(t, err)
	p.Path = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	p.ExtraFiles = append(p.ExtraFiles, f)
	require.NoError(t, p.Start())
	defer p.Close()
	var got string
	require.NoError(t, errors.Join(p.Send("hello"), p.Receive(&got)))
	require.Equal(t, "hello", got)
}

func TestACommandWithAnErrorIsNotStarted(t *testing.T) {
	for name, start := range map[string]func(*Process) error{
		"by os/exec": (*Process).Start,
		"by StartBy": func(p *Process) error {
			return p.StartBy(func(string, []string, []string, []*os.File) (int, error) {
				t.Error("forked")
				return 0, syscall.ENOSYS
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Command(silent)
			require.NoError(t, err)
			p.Err = errors.New("the namespaces are not filled in")
			require.ErrorIs(t, start(p), p.Err)
		})
	}
}

func TestWhoWaitedInVainMayWaitAgain(t *testing.T) {
	ours, theirs, err := Pair()
	require.NoError(t, err)
	defer ours.Close()
	defer theirs.Close()
	require.ErrorIs(t, ours.receive(nil, time.Now().Add(time.Millisecond)), os.ErrDeadlineExceeded, "nothing has arrived")
	_, err = theirs.WriteString(`{"value":`)
	require.NoError(t, err)
	require.ErrorIs(t, ours.receive(nil, time.Now().Add(time.Millisecond)), os.ErrDeadlineExceeded, "half of it has arrived")
	_, err = theirs.WriteString(`"late"}`)
	require.NoError(t, err)
	var got string
	require.NoError(t, ours.Receive(&got))
	require.Equal(t, "late", got)
}

// A program that other users cannot execute starts its children from a copy. The copy must exist as
// long as the program runs, and its file descriptor must have a number that no child's file gets.
func TestAProgramThatIsClosedToOthers(t *testing.T) {
	const inside = "CONTAINERKIT_TEST_CLOSED"
	if os.Getenv(inside) != "" {
		require.NotEqual(t, "/proc/self/exe", Self())
		runtime.GC() // closes every file without a reference
		time.Sleep(50 * time.Millisecond)
		var many []*os.File
		for range 16 {
			many = append(many, os.Stdin)
		}
		p := start(t, echo, many...)
		var got string
		require.NoError(t, errors.Join(p.Send("hello"), p.Receive(&got)))
		require.Equal(t, "hello", got)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root's children can be users that cannot read root's files")
	}
	raw, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	closed := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.WriteFile(closed, raw, 0o700))
	cmd := exec.Command(closed, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS")
}

func TestNextWaitsForAsLongAsItTakes(t *testing.T) {
	ours, theirs, err := Pair()
	require.NoError(t, err)
	defer ours.Close()
	defer theirs.Close()
	require.ErrorIs(t, ours.receive(nil, time.Now().Add(time.Millisecond)), os.ErrDeadlineExceeded)
	time.AfterFunc(50*time.Millisecond, func() { _, _ = theirs.WriteString(`{"value":"late"}`) })
	var got string
	require.NoError(t, ours.Next(&got), "the earlier deadline must have no effect")
	require.Equal(t, "late", got)
}
