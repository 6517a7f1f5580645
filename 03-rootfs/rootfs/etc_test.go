//go:build linux

package rootfs

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/lessons/exercise/room"
)

const cache = "where the libraries are\n"

// loaderRoom is a container on a host whose /etc has no more than the loader's cache, or nothing.
func loaderRoom(name string, there bool) room.Room[string] {
	return room.New(name, 0, func(saw *string) error {
		if err := Memory("/etc"); err != nil {
			return err
		}
		if there {
			if err := os.WriteFile("/etc/ld.so.cache", []byte(strings.Repeat(cache, 10000)), 0o644); err != nil {
				return err
			}
		}
		r, err := Begin(Spec{})
		if err != nil {
			return err
		}
		if err := r.Base(); err != nil {
			return err
		}
		err = r.Etc()
		*saw = read("etc/ld.so.cache")
		return err
	})
}

var withCache, withoutCache = loaderRoom("cache", true), loaderRoom("no-cache", false)

// Programs that use libraries in /usr/local/lib, or where /etc/ld.so.conf says, find them.
func TestLoaderFindsLibrariesOfTheHost(t *testing.T) {
	saw, err := withCache.Run(t)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat(cache, 10000), saw)
	saw, err = withoutCache.Run(t)
	require.NoError(t, err)
	require.Equal(t, "ENOENT", saw)
}
