//go:build linux

package rootfs

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type hostile struct {
	Outside  string            // what the directory holds to which the image's links lead
	Image    string            // and the image itself
	Inside   map[string]string // what the paths are inside
	Replaced string            // what Etc says of a directory in the place of its file
	Refused  string            // why nobody can mount an overlay here
}

// hostileLinks are where steps write or mount: in this image all of them lead out of it.
var hostileLinks = []string{"dev", "proc", "sys", "run", "tmp",
	"etc/hosts", "etc/hostname", "etc/resolv.conf"}

var onHostileImage = room.New("hostile-image", unix.CLONE_NEWIPC, func(h *hostile) error {
	// Not below /tmp, where the root is built: there a link of the image's would lead to nothing.
	if err := Memory("/var"); err != nil {
		return err
	}
	if err := os.Chdir("/var"); err != nil {
		return err
	}
	if err := files(map[string]string{
		"outside/hosts": "of the host", "outside/null": "of the host", "outside/pts/": "",
		"image/etc/": "", "image/usr/": "",
		"other/opt/": "",
	}); err != nil {
		return err
	}
	for _, link := range hostileLinks {
		to := "/var/outside"
		if link == "etc/hosts" {
			to += "/hosts"
		}
		if err := os.Symlink(to, "image/"+link); err != nil {
			return err
		}
	}
	r, err := Begin(Spec{Dir: "/var/image", Layers: []string{"/var/other"}})
	if err == nil {
		err = r.Base()
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
		h.Refused = errno.Outcome(err)
		return nil
	}
	for _, step := range []func() error{r.Etc, r.Dev} {
		if err == nil {
			err = step()
		}
	}
	h.Inside = map[string]string{}
	for _, link := range hostileLinks {
		h.Inside[link] = kind(link)
		if target, err := os.Readlink(link); err == nil {
			h.Inside[link] = "link to " + target
		}
	}
	h.Outside = names("/var/outside") + ": " + read("/var/outside/hosts")
	h.Image, _ = os.Readlink("/var/image/dev")
	if err != nil {
		return err
	}
	if err := os.Mkdir("directory", 0o755); err != nil {
		return err
	}
	if err := write("directory", "text"); err != nil {
		h.Replaced = err.Error()
	}
	return nil
})

// No step follows a link of the image's: what is written and mounted stays inside.
func TestAnImagesLinksLeadNowhere(t *testing.T) {
	saw, err := onHostileImage.Run(t)
	if saw.Refused != "" {
		t.Skipf("this kernel mounts no overlay in a user namespace (%s)", saw.Refused)
	}
	require.NoError(t, err)
	require.Equal(t, "hosts null pts: of the host", saw.Outside)
	require.Equal(t, "/var/outside", saw.Image, "the image's own link is as it was")
	for _, path := range hostileLinks {
		require.NotContains(t, saw.Inside[path], "link", path)
		require.NotContains(t, saw.Inside[path], "ENOENT", path)
	}
	require.Equal(t, "replace what the image has at directory: is a directory", saw.Replaced)
}
