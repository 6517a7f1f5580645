package exercise

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"containerkit/lessons/kit/scratch"
)

// grace is how long go test may take to end what it started.
const grace = 10 * time.Second

// temporary is a directory that `lessons clean` removes if we cannot.
func temporary() (*scratch.Dir, error) { return scratch.New() }

// goTest is go test in a process group of its own. It ends with ctx: at SIGINT go waits for what it started,
// and removes its directories. SIGTERM would leave both behind.
func goTest(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = grace
	return cmd
}
