//go:build linux

package namespace

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatWasNotTakenIsNamed(t *testing.T) {
	err := (UTS | Mount).Took(os.Getpid())
	require.ErrorContains(t, err, "uts,mnt", "it shares both with itself")
	require.NoError(t, Set(0).Took(os.Getpid()), "nothing was asked for")
	require.ErrorContains(t, UTS.Took(1<<30), "1073741824", "no such process")
}
