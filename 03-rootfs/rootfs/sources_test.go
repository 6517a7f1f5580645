//go:build linux

package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/child"
)

func TestOpenSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for want, s := range map[string]Spec{
		"": {Dir: dir, Volumes: []Volume{{file, "/x", true}}},
		"rootfs " + dir + "/no: no such file or directory": {Dir: dir + "/no"},
		"rootfs " + file + ": not a directory":             {Layers: []string{dir, file}},
		"volume " + dir + "/no: no such file or directory": {
			Volumes: []Volume{{dir + "/no", "/x", true}},
		},
	} {
		src, err := Open(s)
		if want != "" {
			require.EqualError(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Len(t, src.Files(), 2)
		src.Close()
	}
}

// Open follows links, and the Spec that goes inside has none of them.
func TestOpenFollowsLinksOnce(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(dir+"/real", 0o755))
	require.NoError(t, os.Symlink("real", dir+"/link"))
	of := func(dir string) Spec {
		return Spec{Dir: dir, Layers: []string{dir}, Volumes: []Volume{{dir, "/x", false}}}
	}
	given := of(dir + "/link")
	src, err := Open(given)
	require.NoError(t, err)
	defer src.Close()
	require.Equal(t, of(dir+"/real"), src.Spec)
	require.Equal(t, dir+"/link", given.Layers[0], "the caller's Spec is the caller's")

	given.Cloned = true // a lie
	lie, err := Open(given)
	require.NoError(t, err)
	defer lie.Close()
	require.False(t, lie.Spec.Cloned)
}

// entered is what a process finds in a root that it built of the Sources that it was given.
type entered struct {
	Layer, Volume string
	Names         string // of the volume
	Open          int    // descriptors that lead out of the root afterwards
}

var entering = child.Register("entering", func(c *child.Conn) error {
	var s Spec
	if err := c.Receive(&s); err != nil {
		return err
	}
	var files []*os.File
	for i := range s.names() {
		unix.CloseOnExec(3 + i)
		files = append(files, os.NewFile(uintptr(3+i), "source"))
	}
	r, err := Begin(s, files...)
	if err != nil {
		return err
	}
	for _, step := range []func() error{r.Base, r.Volumes, r.Pivot} {
		if err := step(); err != nil {
			return err
		}
	}
	e := entered{Layer: read("/file"), Volume: read("/lent/file"), Names: names("/lent")}
	for fd := 3; fd < 20; fd++ {
		var st unix.Stat_t
		if unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			e.Open++
		}
	}
	return c.Send(e)
})

// enter starts a process in new namespaces, as the container's first one is, and has it build a
// root of src.
func enterWith(t *testing.T, src *Sources) (e entered, err error) {
	t.Helper()
	p, err := child.Command(entering, src.Files()...)
	require.NoError(t, err)
	room.Apply(p.Cmd, 0)
	if err := p.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("no user namespaces can be made here (%v): go run ./lessons doctor says why", err)
	} else {
		require.NoError(t, err)
	}
	defer p.Close()
	return e, errors.Join(p.Send(src.Spec), p.Receive(&e))
}

// swapped is a root and a volume, each named by a link, and a function that makes the links lead
// to a secret.
func swapped(t *testing.T) (s Spec, swap func()) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for path, text := range map[string]string{
		"image/file": "of the image", "volume/file": "of the volume",
		"secret/file": "SECRET", "secret/more": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(top, filepath.Dir(path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(top, path), []byte(text), 0o644))
	}
	point := func(link, to string) {
		require.NoError(t, os.Symlink(to, filepath.Join(top, "new")))
		require.NoError(t, os.Rename(filepath.Join(top, "new"), filepath.Join(top, link)))
	}
	point("root", "image")
	point("lent", "volume")
	s = Spec{Dir: top + "/root", Volumes: []Volume{{Source: top + "/lent", Target: "/lent"}}}
	return s, func() {
		point("root", "secret")
		point("lent", "secret")
	}
}

// A link that is swapped after Open leads nobody astray: what was opened is what is used.
func TestALinkThatIsSwapped(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, src *Sources){
		"by descriptor": func(t *testing.T, src *Sources) { require.NoError(t, src.Clone()) },
		"by path":       func(*testing.T, *Sources) {},
	} {
		t.Run(name, func(t *testing.T) {
			s, swap := swapped(t)
			src, err := Open(s)
			require.NoError(t, err)
			defer src.Close()
			prepare(t, src)
			swap()
			saw, err := enterWith(t, src)
			require.NoError(t, err)
			require.Equal(t, entered{"of the image", "of the volume", "file", 0}, saw)
		})
	}
}

// The directory itself is swapped: with the descriptor the first one is used; by its path, it is
// refused.
func TestADirectoryThatIsSwapped(t *testing.T) {
	for _, what := range []string{"image", "volume"} {
		for _, to := range []string{"another directory", "a link", "nothing"} {
			t.Run(what+" for "+to, func(t *testing.T) {
				s, _ := swapped(t)
				src, err := Open(s)
				require.NoError(t, err)
				defer src.Close()
				top := filepath.Dir(s.Dir)
				require.NoError(t, os.Rename(top+"/"+what, top+"/old"))
				switch to {
				case "another directory":
					require.NoError(t, os.Rename(top+"/secret", top+"/"+what))
				case "a link":
					require.NoError(t, os.Symlink("secret", top+"/"+what))
				}
				_, err = enterWith(t, src)
				require.ErrorContains(t, err, top+"/"+what+": ")
				require.NotContains(t, err.Error(), "\n", "one line")

				require.NoError(t, src.Clone())
				if !src.Spec.Cloned {
					return // an ordinary user
				}
				saw, err := enterWith(t, src)
				require.NoError(t, err)
				require.Equal(t, entered{"of the image", "of the volume", "file", 0}, saw)
			})
		}
	}
}

// Where only root can go: the descriptor leads there, though root inside is another user.
func TestAVolumeBelowADirectoryOfRootsAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("takes two users, so root")
	}
	s, _ := swapped(t)
	require.NoError(t, os.Chmod(filepath.Dir(s.Dir), 0o700))
	src, err := Open(s)
	require.NoError(t, err)
	defer src.Close()
	require.NoError(t, src.Clone())
	require.True(t, src.Spec.Cloned)
	p, err := child.Command(entering, src.Files()...)
	require.NoError(t, err)
	room.Apply(p.Cmd, 0)
	p.SysProcAttr.UidMappings[0].HostID = 54321
	p.SysProcAttr.GidMappings[0].HostID = 54321
	require.NoError(t, p.Start())
	defer p.Close()
	var saw entered
	require.NoError(t, errors.Join(p.Send(src.Spec), p.Receive(&saw)))
	require.Equal(t, entered{"of the image", "of the volume", "file", 0}, saw)
}
