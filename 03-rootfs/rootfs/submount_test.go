//go:build linux

package rootfs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise/room"
)

type submounts struct{ Data, Covered, Hidden string }

var withSubmounts = room.New("submounts", 0, func(s *submounts) error {
	if err := files(map[string]string{
		"image/my data/": "", "image/proc/": "", "imagetoo/": "", "other/top/below/": "",
	}); err != nil {
		return err
	}
	say := func(dir string) string {
		src, err := Open(Spec{Dir: dir})
		if err != nil {
			return err.Error()
		}
		src.Close()
		return ""
	}
	for _, dir := range []string{"image/proc", "imagetoo", "other/top/below", "other/top"} {
		if err := Memory(dir); err != nil {
			return err
		}
	}
	s.Hidden, s.Covered = say("image"), say("other/top")
	if err := Memory("image/my data"); err != nil {
		return err
	}
	s.Data = say("image")
	return nil
})

// A layer in which something is mounted is refused by one line that names it: an overlay would
// not show it.
func TestALayerWithMounts(t *testing.T) {
	saw, err := withSubmounts.Run(t)
	require.NoError(t, err)
	require.Equal(t, "rootfs /tmp/image: another file system is mounted at /tmp/image/my data, "+
		"which an overlay does not show: unmount it, or mount it with -volume /tmp/image/my data:/my data", saw.Data)
	require.Empty(t, saw.Hidden, "/proc is hidden by the container's")
	require.Empty(t, saw.Covered, "what is mounted there is covered")
}
