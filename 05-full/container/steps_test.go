//go:build linux && !mine

package container

import (
	"testing"

	"github.com/stretchr/testify/require"

	"containerkit/03-rootfs/rootfs"
)

// The container's root is built in the order in which stage 03 builds its own.
func TestOrderOfTheRootsSteps(t *testing.T) {
	parts, err := order()
	require.NoError(t, err)
	var here, there []string
	for _, p := range parts {
		for _, step := range rootfs.Steps {
			if string(p) == step.Name {
				here = append(here, step.Name)
			}
		}
	}
	for _, step := range rootfs.Steps {
		there = append(there, step.Name)
	}
	require.Equal(t, there, here)
}
