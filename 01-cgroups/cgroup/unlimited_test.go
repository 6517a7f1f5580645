//go:build linux

package cgroup

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// everywhere creates a cgroup in each hierarchy of v1, and returns the shared cgroups that it uses.
func everywhere(t *testing.T) (g *Group, shared []string) {
	t.Helper()
	g = group(t, Resources{Pids: 20, Everywhere: true})
	if g.Version == V2 {
		t.Skip("v2 has one hierarchy")
	}
	for _, f := range g.shared {
		shared = append(shared, f.Name())
	}
	require.Len(t, g.h.parents(), len(g.all())+len(shared), "one cgroup in each hierarchy")
	return g, shared
}

// A shared cgroup exists as long as any of our cgroups uses it, whether the others are removed, or
// killed and swept.
func TestSharedCgroupLastsAsLongAsItIsUsedOnV1(t *testing.T) {
	g, shared := everywhere(t)
	other, err := New("test", Resources{Everywhere: true})
	require.NoError(t, err)
	require.NoError(t, other.Remove())
	for _, dir := range shared {
		removed, err := unshareIn([]string{filepath.Dir(dir)})
		require.NoError(t, err)
		require.Empty(t, removed)
		require.DirExists(t, dir)
	}
	require.NoError(t, g.close()) // as when the owner is killed
	for _, dir := range shared {
		require.Eventually(t, func() bool { // another program may use it, too
			_, err := unshareIn([]string{filepath.Dir(dir)})
			require.NoError(t, err)
			_, err = os.Stat(dir)
			return os.IsNotExist(err)
		}, 10*time.Second, 10*time.Millisecond, dir)
	}
}

// Cgroups that are created and removed at the same time always find a shared cgroup that a process
// can join.
func TestSharedCgroupComesAndGoesOnV1(t *testing.T) {
	everywhere(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				g, err := New("test", Resources{Everywhere: true})
				if !errorFree(t, err) {
					return
				}
				for _, f := range g.shared {
					_, err := os.Stat(f.Name() + "/cgroup.procs")
					errorFree(t, err)
				}
				errorFree(t, g.Remove())
			}
		})
	}
	all.Wait()
}

func errorFree(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
