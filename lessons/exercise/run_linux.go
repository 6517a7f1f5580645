package exercise

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"containerkit/lessons/kit/scratch"
)

// grace limits how long go test can take to terminate what it started.
const grace = 10 * time.Second

// temporary creates a directory that `lessons clean` removes if this process can't.
func temporary() (*scratch.Dir, error) { return scratch.New() }

// goTest returns a go test command with its own process group. It gets SIGINT when ctx ends: then
// go waits for what it started, and removes its directories. SIGTERM would leave both behind.
func goTest(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = grace
	return cmd
}
