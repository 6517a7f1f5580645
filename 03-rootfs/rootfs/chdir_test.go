//go:build linux

package rootfs

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type moved struct {
	Went map[string]string // where each directory led, or why it did not
	Text map[string]string // of the error
}

// A root in which links lead to a directory of the old root that is still open.
var moving = room.New("chdir", 0, func(m *moved) error {
	if err := files(map[string]string{"old/secret": "SECRET", "new/": ""}); err != nil {
		return err
	}
	if err := Memory("new"); err != nil {
		return err
	}
	if err := files(map[string]string{"new/a/b/": "", "new/file": "", "new/proc/": ""}); err != nil {
		return err
	}
	host, err := unix.Open("old", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	magic := "/proc/self/fd/" + strconv.Itoa(host)
	for link, to := range map[string]string{
		"magic": magic, "deep": magic + "/..", "hop": "magic",
		"root": "/proc/self/root", "cwd": "/proc/self/cwd",
		"up": "../../../a", "absolute": "/a/b", "dangling": "/no",
	} {
		if err := os.Symlink(to, "new/"+link); err != nil {
			return err
		}
	}
	if err := unix.Mount("/proc", "new/proc", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := PivotRoot("new"); err != nil {
		return err
	}
	m.Went, m.Text = map[string]string{}, map[string]string{}
	for _, dir := range []string{
		"/", "/a", "/up", "/absolute", "/a/../a/b", "/../../a",
		"/no", "/dangling", "/file", "/magic", "/hop", "/deep", "/root", "/cwd",
		magic, magic + "/..",
	} {
		if err := unix.Chdir("/"); err != nil {
			return err
		}
		if err := Chdir(dir); err != nil {
			m.Went[dir], m.Text[dir] = errno.Outcome(err), err.Error()
			continue
		}
		buf := make([]byte, unix.PathMax)
		n, err := unix.Getcwd(buf)
		if err != nil {
			return err
		}
		m.Went[dir] = unix.ByteSliceToString(buf[:n])
	}
	// What Chdir would not find, the last check does.
	if err := unix.Fchdir(host); err != nil {
		return err
	}
	m.Went["open directory"] = errno.Outcome(reachable())
	return nil
})

// A working directory is one of the new root's, whatever links an image holds.
func TestChdir(t *testing.T) {
	saw, err := moving.Run(t)
	require.NoError(t, err)
	require.Len(t, saw.Text, 10)
	for dir, want := range map[string]string{
		"/": "/", "/a": "/a", "/up": "/a", "/absolute": "/a/b", "/a/../a/b": "/a/b", "/../../a": "/a",
		"/no": "ENOENT", "/dangling": "ENOENT", "/file": "ENOTDIR",
		"/magic": "ELOOP", "/hop": "ELOOP", "/deep": "ELOOP", "/root": "ELOOP", "/cwd": "ELOOP",
		"open directory": "EXDEV",
	} {
		require.Equal(t, want, saw.Went[dir], dir)
	}
	for dir, text := range saw.Text {
		if strings.HasPrefix(dir, "/proc/") {
			require.Equal(t, "ELOOP", saw.Went[dir], dir)
		}
		require.Contains(t, text, "change to the working directory "+dir+": ")
	}
}
