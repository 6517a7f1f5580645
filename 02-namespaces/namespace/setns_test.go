//go:build linux

package namespace

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/02-namespaces/procfs"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

const joined = UTS | IPC | Net | Mount | Cgroup

type entered struct {
	Same, Different string // kinds of namespaces: those of the other process, and the rest
	// "shared" if the thread shares root and working directory with the others
	Files string
	Error string
}

var entering = room.New("setns", 0, func(e *entered) error {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(joined), Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	there, err := procfs.Of(cmd.Process.Pid)
	if err != nil {
		return err
	}
	target, err := procfs.Open(cmd.Process.Pid)
	if err != nil {
		return err
	}
	defer target.Close()
	done := make(chan error)
	tids := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread exits with the goroutine
		err := Join(target, joined&^Mount)
		if err == nil {
			// In a separate call: with other kinds in the same call, the kernel itself unshares
			// root and working directory.
			err = Join(target, Mount)
		}
		tids <- unix.Gettid()
		<-tids // the test has read its links
		done <- err
	}()
	// The test reads them from a thread that stayed: the /proc of the other mount namespace can be
	// another one.
	tid := <-tids
	var same, different []string
	for _, kind := range Types() {
		if joined&kind.Flag == 0 {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/self/task/%d/ns/%s", tid, kind.Name), &st); err != nil {
			return err
		}
		if st.Ino == there[kind.Name] {
			same = append(same, kind.Name)
		} else {
			different = append(different, kind.Name)
		}
	}
	e.Files = sharing(tid)
	tids <- 0
	e.Same, e.Different = strings.Join(same, " "), strings.Join(different, " ")
	return <-done
})

// sharing reports whether a thread shares root and working directory with our first one. (kcmp(2),
// KCMP_FS)
func sharing(tid int) string {
	const kcmpFS = 3 // linux/kcmp.h
	different, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(unix.Getpid()), uintptr(tid), kcmpFS, 0, 0, 0)
	switch {
	case errno != 0: // a kernel without kcmp
		return "unknown"
	case different != 0:
		return "its own"
	}
	return "shared"
}

func TestSetns(t *testing.T) {
	saw, err := entering.Run(t)
	claim.State(t, "joined", saw.Same)
	claim.State(t, "not joined", saw.Different)
	claim.State(t, "root and working directory", saw.Files)
	claim.NoError(t, "a thread can join the namespaces of another process", err)
	claim.Equal(t, "the thread is in all namespaces that were asked for",
		"/proc/PID/task/TID/ns/*, inode numbers", "uts mnt ipc net cgroup", saw.Same)
}
