//go:build linux

package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel gives up on a path with ".." when anything on the machine is renamed meanwhile (openat2(2), EAGAIN).
func TestATargetIsFoundWhileOthersRename(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "a"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "b/target"), 0o755))
	require.NoError(t, os.Symlink("../b", filepath.Join(root, "a/link")))
	done, stopped := make(chan struct{}), make(chan struct{})
	defer func() { close(done); <-stopped }()
	go func() {
		defer close(stopped)
		one, other := filepath.Join(elsewhere, "one"), filepath.Join(elsewhere, "other")
		_ = os.Mkdir(one, 0o755)
		for ; ; one, other = other, one {
			select {
			case <-done:
				return
			default:
				_ = os.Rename(one, other)
			}
		}
	}()
	for range 20000 {
		fd, err := makeIn(root, "/a/link/target", true, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Close(fd))
	}
}
