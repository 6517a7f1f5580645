package errno

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestName(t *testing.T) {
	require.Equal(t, "EPERM", Name(&os.PathError{Op: "open", Path: "/x", Err: unix.EPERM}))
	require.Equal(t, "no errno", Name(errors.New("no errno")))
	require.Equal(t, "EPERM", Outcome(unix.EPERM))
	require.Equal(t, "allowed", Outcome(nil))
}
