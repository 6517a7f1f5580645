package compare

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What a start left behind ends, also what is no child of ours.
func TestKillBelow(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	held, err := unix.PidfdOpen(grandchild, 0)
	require.NoError(t, err)
	defer unix.Close(held)
	require.ElementsMatch(t, []int{cmd.Process.Pid, grandchild}, below(os.Getpid()))
	killBelow()
	require.Error(t, cmd.Wait())
	require.Equal(t, "signal: killed", cmd.ProcessState.String())
	fds := []unix.PollFd{{Fd: int32(held), Events: unix.POLLIN}} // readable once it has exited
	n, err := unix.Poll(fds, int(time.Minute.Milliseconds()))
	require.NoError(t, err)
	require.Equal(t, 1, n, "the grandchild lives")
}
