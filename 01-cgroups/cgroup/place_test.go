//go:build linux

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/kit/child"
)

// nobody is a user other than the one that runs the tests.
const nobody = 65534

// The locker locks every directory that it can open, reports each errno, and keeps the locks.
var locker = child.Register("cgroup-locker", func(c *child.Conn) error {
	var dirs []string
	if err := c.Receive(&dirs); err != nil {
		return err
	}
	said := map[string]string{}
	for _, dir := range dirs {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		}
		said[dir] = fmt.Sprint(err)
	}
	if err := c.Send(said); err != nil {
		return err
	}
	_ = c.Next(nil)
	return nil
})

// Another user cannot hold a lock that a start, a cleanup or a removal waits for.
func TestAnotherUserCannotStallAStartAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	g := group(t, Resources{Pids: 20})
	var dirs []string
	for _, dir := range g.all() {
		for ; dir != "/sys/fs" && dir != "/"; dir = filepath.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	p, err := child.Command(locker)
	require.NoError(t, err)
	p.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	require.NoError(t, p.Start())
	defer p.Close()
	said := map[string]string{}
	require.NoError(t, errors.Join(p.Send(dirs), p.Receive(&said)))

	began := time.Now()
	other, err := New("stalled", Resources{Pids: 20})
	require.NoError(t, err)
	require.NoError(t, other.Remove())
	require.Less(t, time.Since(began), patience)
	require.Contains(t, fmt.Sprint(said), "<nil>",
		"the control: the other user could lock a directory")
	for dir, errno := range said {
		if strings.Contains(dir, "containerkit") {
			require.Equal(t, unix.EACCES.Error(), errno, dir)
		}
	}
}

// A place or a cgroup that another user created at our path is not touched. Only we can create one
// there, so the test changes the owner.
func TestWhatBelongsToAnotherUserIsLeftAloneAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	h := group(t, Resources{}).Hierarchy()
	planted := filepath.Join(h.base(), place, "planted-00000000")
	require.NoError(t, os.Mkdir(planted, 0o755))
	defer os.Remove(planted)
	require.NoError(t, os.Chown(planted, nobody, nobody))
	_, err := h.sweep(true)
	require.NoError(t, err)
	require.DirExists(t, planted)
	require.NoError(t, os.Chown(planted, 0, 0))
	removed, err := h.sweep(true)
	require.NoError(t, err)
	require.Contains(t, removed, planted, "the control: it is ours, and its owner does not run")

	parent := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(parent, place), 0o755))
	require.NoError(t, os.Chown(filepath.Join(parent, place), nobody, nobody))
	_, err = openPlace(parent, true)
	require.ErrorContains(t, err, "belongs to user 65534")
	require.NoError(t, os.Remove(filepath.Join(parent, place)))
	require.NoError(t, os.Symlink("/", filepath.Join(parent, place)))
	_, err = openPlace(parent, true)
	require.ErrorIs(t, err, unix.ENOTDIR, "a link is not followed")
}

// The work of a cleanup depends on the number of our cgroups, not on how many others the host has:
// it opens nothing outside the place. Others belong to readers, and SweepAll removes them.
func TestSweepLooksOnlyIntoThePlace(t *testing.T) {
	h := group(t, Resources{}).Hierarchy()
	dir := filepath.Join(h.base(), ByHand)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err) // it belongs to a reader, or to another test
	}
	defer os.Remove(dir)
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(dir, old, old))
	_, err := Sweep()
	require.NoError(t, err)
	require.DirExists(t, dir)
	removed, err := SweepAll()
	require.NoError(t, err)
	require.Contains(t, removed, dir)
	require.NoDirExists(t, dir)
}

// A start looks at a few cgroups, however many of ours there are; SweepAll looks at all.
func TestSweepLooksAtAFew(t *testing.T) {
	g := group(t, Resources{})
	h := *g.Hierarchy()
	if h.Root = g.dirs[""]; h.Version == V1 {
		h.Parents = map[string]string{"freezer": g.Path("freezer")}
	}
	at, err := openPlace(h.base(), true)
	require.NoError(t, err)
	defer at.Close()
	for i := range 3 * few { // no process owns them
		require.NoError(t, os.Mkdir(fmt.Sprintf("%s/dead-%d", at.Name(), i), closed))
	}
	removed, err := h.sweep(false)
	require.NoError(t, err)
	require.Len(t, removed, few)
	removed, err = h.sweep(true)
	require.NoError(t, err)
	require.Len(t, removed, 2*few)
	require.NoDirExists(t, at.Name())
}

// v1: the cgroups of an owner that was killed in another cgroup than the process that cleans up are
// found, everywhere.
func TestSweepFindsWhatTheFreezerNotesOnV1(t *testing.T) {
	g := group(t, Resources{Count: []string{"memory"}})
	if g.Version == V2 {
		t.Skip("v2 has one hierarchy")
	}
	elsewhere := filepath.Join(g.Path("memory"), "elsewhere")
	require.NoError(t, os.Mkdir(elsewhere, 0o755))
	h := *g.Hierarchy()
	// a second one, in which the killed owner has no limit
	below := filepath.Join(g.Path("memory"), "below")
	require.NoError(t, os.Mkdir(below, 0o755))
	parents := map[string]string{"memory": elsewhere, "freezer": h.Parents["freezer"], "other": below}
	there := &Hierarchy{Version: V1, Parents: parents}
	dead, err := there.New("dead", Resources{Count: []string{"memory"}, Everywhere: true})
	require.NoError(t, err)
	require.DirExists(t, filepath.Join(below, unlimited))
	require.NoError(t, dead.close()) // as if we had exited
	require.DirExists(t, dead.Path("memory"))
	_, err = h.sweep(true)
	require.NoError(t, err)
	require.NoDirExists(t, dead.Path("freezer"))
	require.NoDirExists(t, dead.Path("memory"))
	require.NoDirExists(t, filepath.Join(elsewhere, place))
	require.NoDirExists(t, filepath.Join(below, unlimited))
}
