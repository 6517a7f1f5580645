//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The course as it stands has its lessons, links and commands.
func TestTheCourseIsWhole(t *testing.T) {
	problems, err := lintKit("..").Check()
	require.NoError(t, err)
	require.Empty(t, problems)
}
