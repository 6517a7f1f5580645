//go:build linux

package rootfs

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/room"
)

type strange struct {
	Shown   map[string]string // what became of each path of a host on which it is something else
	Nothing string            // of NullDevice there
}

var strangeHost = room.New("strange-dev", 0, func(s *strange) error {
	if err := files(map[string]string{"dev/": "", "disk": "the host's secrets"}); err != nil {
		return err
	}
	s.Shown = map[string]string{}
	for _, d := range devices {
		if err := showDevice("dev/"+d.name, d.number); err != nil {
			return err
		}
	}
	for _, d := range devices {
		path := "/dev/" + d.name
		other := "disk"
		if d.name == "zero" {
			other = "/dev/full" // a device, but another one
		}
		if err := unix.Mount(other, path, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Unmount("dev/"+d.name, 0); err != nil {
			return err
		}
		if err := os.Remove("dev/" + d.name); err != nil {
			return err
		}
		if err := showDevice("dev/"+d.name, d.number); err != nil {
			s.Shown[path] = err.Error()
		}
	}
	if _, err := NullDevice(); err != nil {
		s.Nothing = err.Error()
	}
	return nil
})

// The container's devices are the devices, or there is no container.
func TestAStrangeDevIsRefused(t *testing.T) {
	saw, err := strangeHost.Run(t)
	require.NoError(t, err)
	require.Len(t, saw.Shown, len(devices))
	require.Equal(t, "/dev/null of the host is not the character device 1:3", saw.Shown["/dev/null"])
	require.Equal(t, "/dev/zero of the host is not the character device 1:5", saw.Shown["/dev/zero"])
	require.Equal(t, "/dev/tty of the host is not the character device 5:0", saw.Shown["/dev/tty"])
	require.Equal(t, saw.Shown["/dev/null"], saw.Nothing)
}
