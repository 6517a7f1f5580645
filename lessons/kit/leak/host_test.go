//go:build linux

package leak

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRootMount(t *testing.T) {
	for want, mountinfo := range map[string]string{
		" 8:1 / / ":     "28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n29 28 0:5 / /dev rw - devtmpfs none rw\n",
		" 0:31 /@ / ":   "60 1 0:31 /@ / rw,relatime shared:1 - btrfs /dev/sda2 rw,subvol=/@\n61 60 0:31 /@home /home rw - btrfs /dev/sda2 rw\n",
		" 0:49 /top / ": "1 1 0:2 / / rw - rootfs rootfs rw\n28 1 0:49 /top / rw - tmpfs none rw\n",
		"":              "29 28 0:5 / /dev rw - devtmpfs none rw\n",
	} {
		require.Equal(t, want, rootOf(mountinfo))
	}
}

// The table of mounts escapes a space, so it does not contain the path itself.
func TestMountOnPathWithSpace(t *testing.T) {
	const table = "29 28 0:5 / /tmp/a\\040space/mount rw - tmpfs none rw\n"
	require.True(t, mountedOn(strings.NewReader(table), "/tmp/a space/mount"))
	require.False(t, mountedOn(strings.NewReader(table), "/tmp/a space"))
}
