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
	Same, Different string // kinds of namespace: those that are the other process's now, and the rest
	Files           string // "shared" if the thread has one root and working directory with the other threads
	Error           string
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
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := Join(target, joined&^Mount)
		if err == nil {
			// By itself: with others in the same call, the kernel unties root and working directory on its own.
			err = Join(target, Mount)
		}
		tids <- unix.Gettid()
		<-tids // it has been looked at
		done <- err
	}()
	// From a thread that has stayed: the /proc in there is not ours to count on.
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

// sharing asks the kernel whether a thread has its root and working directory in common with our first one: kcmp(2), KCMP_FS.
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
	claim.NoError(t, "a thread can move into another process's namespaces", err)
	claim.Equal(t, "all namespaces that were asked for are the other process's now", "/proc/PID/task/TID/ns/*, inode numbers", "uts mnt ipc net cgroup", saw.Same)
}
