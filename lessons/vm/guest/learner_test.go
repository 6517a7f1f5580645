//go:build linux

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/vm/wire"
)

// The way to a checkout is opened in the guest's overlay, and not in what is shared with the host.
func TestTheHostsOwnDirectoriesAreNotOpened(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	checkout := filepath.Join(home, "kit", "checkout")
	require.NoError(t, os.MkdirAll(checkout, 0o700))
	require.NoError(t, os.Chmod(home, os.ModeSetgid|0o770))
	mode := func(path string) os.FileMode {
		st, err := os.Stat(path)
		require.NoError(t, err)
		return st.Mode() &^ os.ModeDir
	}
	s := &wire.Start{User: "root", Shares: []wire.Share{{Path: filepath.Dir(checkout)}}}
	require.NoError(t, openWay(checkout, s))
	require.Equal(t, os.FileMode(0o700), mode(checkout))
	require.Equal(t, os.FileMode(0o700), mode(filepath.Dir(checkout)))
	require.Equal(t, os.ModeSetgid|0o771, mode(home))

	s.User = learner
	require.ErrorContains(t, openWay(checkout, s), checkout+" is closed to others")
	s.Shares = nil
	require.NoError(t, openWay(checkout, s))
	require.Equal(t, os.FileMode(0o701), mode(checkout))
}
