//go:build linux

package scratch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stranger is the UID of a user that owns nothing here.
const stranger = 65532

// open creates a directory for temporary files that every user can reach, which t.TempDir's is not.
func open(t *testing.T, mode os.FileMode) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(dir, mode))
	t.Setenv("TMPDIR", dir)
	return dir
}

// New fails in a directory in which another user can rename ours, and in one below it.
func TestUnsafePlace(t *testing.T) {
	dir := open(t, 0o777)
	_, err := New()
	require.ErrorContains(t, err, dir+" can be written by other users (mode 0777): set TMPDIR")
	_, err = Sweep()
	require.Error(t, err)

	below := filepath.Join(dir, "below")
	require.NoError(t, os.Mkdir(below, 0o755))
	t.Setenv("TMPDIR", below)
	_, err = New()
	require.ErrorContains(t, err, dir+" can be written")

	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	d, err := New()
	require.NoError(t, err, "with the sticky bit it is safe")
	require.NoError(t, d.Remove())

	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o700))
	d, err = New()
	require.NoError(t, err, "no other user can reach it")
	require.NoError(t, d.Remove())
}

func TestPlaceOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, which can change the owner of a directory")
	}
	dir := open(t, 0o755)
	require.NoError(t, os.Chown(dir, stranger, stranger))
	_, err := New()
	require.ErrorContains(t, err, dir+" belongs to user 65532: set TMPDIR")
}

// A relative TMPDIR must mean the same directory after chdir.
func TestRelativePlace(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(filepath.Dir(dir))
	t.Setenv("TMPDIR", filepath.Base(dir))
	d, err := New()
	require.NoError(t, err)
	require.Equal(t, dir, filepath.Dir(d.Path))
	t.Chdir("/")
	require.NoError(t, d.Remove())
	require.NoDirExists(t, d.Path)
}

// $PWD keeps the link through which the working directory was reached.
func TestRelativePlaceBelowLink(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(real, link))
	t.Chdir(link)
	t.Setenv("PWD", link)
	t.Setenv("TMPDIR", ".")
	d, err := New()
	require.NoError(t, err)
	defer d.Remove()
	require.Equal(t, real, filepath.Dir(d.Path))
}

// An error about $TMPDIR names the variable and says what to do. SweepIfAny ignores an unusable
// directory, but returns an error for one that other users can change.
func TestUnusablePlace(t *testing.T) {
	dir := open(t, 0o755)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for path, why := range map[string]error{
		filepath.Join(dir, "missing"): unix.ENOENT,
		file:                          unix.ENOTDIR,
		filepath.Join(file, "below"):  unix.ENOTDIR,
	} {
		t.Setenv("TMPDIR", path)
		_, err := New()
		require.ErrorIs(t, err, ErrPlace)
		require.EqualError(t, err, "no temporary directory in TMPDIR="+path+": "+why.Error()+
			": set TMPDIR to another directory, such as /tmp")
		_, err = Sweep()
		require.ErrorIs(t, err, ErrPlace)
		require.NoError(t, SweepIfAny())
	}
	require.NoError(t, os.Chmod(dir, 0o777))
	t.Setenv("TMPDIR", dir)
	require.Error(t, SweepIfAny())
}

// Any user can create a name in /tmp. Sweep keeps directories to which other users can write, and
// the targets of links.
func TestSweepTouchesOnlyOurs(t *testing.T) {
	dir := open(t, 0o777|os.ModeSticky)
	victim := t.TempDir()
	file := filepath.Join(victim, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(victim, filepath.Join(dir, prefix+"link")))
	shared := filepath.Join(dir, prefix+"shared")
	require.NoError(t, os.Mkdir(shared, 0o700))
	require.NoError(t, os.Chmod(shared, 0o777))
	theirs := filepath.Join(dir, prefix+"theirs")
	require.NoError(t, os.Mkdir(theirs, 0o700))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(theirs, stranger, stranger))
	} else {
		require.NoError(t, os.Chmod(theirs, 0o722))
	}
	removed, err := Sweep()
	require.NoError(t, err)
	require.Empty(t, removed)
	require.FileExists(t, file)
	require.DirExists(t, shared)
	require.DirExists(t, theirs)
}

// lock fails for a directory to which others can write.
func TestLockOfOthers(t *testing.T) {
	dir := open(t, 0o777|os.ModeSticky)
	shared := filepath.Join(dir, prefix+"shared")
	require.NoError(t, os.Mkdir(shared, 0o700))
	require.NoError(t, os.Chmod(shared, 0o777))
	tmp, err := openTemp()
	require.NoError(t, err)
	defer tmp.Close()
	_, err = lock(tmp, filepath.Base(shared))
	require.ErrorIs(t, err, unix.EPERM)
}

func TestCreate(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	defer unix.Umask(unix.Umask(0o077))
	d, err := New()
	require.NoError(t, err)
	defer d.Remove()
	f, err := d.Create("file", 0o666)
	require.NoError(t, err)
	defer f.Close()
	sub, err := d.Mkdir("sub", 0o777)
	require.NoError(t, err)
	defer sub.Close()
	for _, made := range []*os.File{f, sub} {
		st, err := os.Lstat(made.Name())
		require.NoError(t, err)
		require.NotZero(t, st.Mode().Perm()&0o066, "the umask must have no effect")
	}

	canary := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(canary, nil, 0o600))
	require.NoError(t, os.Symlink(canary, filepath.Join(sub.Name(), "link")))
	require.NoError(t, os.Symlink(canary+"-new", filepath.Join(sub.Name(), "dangling")))
	for _, name := range []string{"link", "dangling"} {
		_, err = CreateIn(sub, name, 0o666)
		require.ErrorIs(t, err, unix.EEXIST)
	}
	require.NoFileExists(t, canary+"-new")
	for _, name := range []string{"", ".", "..", "a/b", "/etc/x"} {
		_, err = CreateIn(sub, name, 0o666)
		require.ErrorIs(t, err, unix.EINVAL, name)
		_, err = d.Mkdir(name, 0o755)
		require.ErrorIs(t, err, unix.EINVAL, name)
	}
}
