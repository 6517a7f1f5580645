package exercise

import (
	"os"
	"path/filepath"
	"syscall"
)

// giveTo gives what root has made to the owner of the directory that it lies in: with `go run -exec sudo ./lessons check`
// it is root who checks, and what he writes must stay the learner's.
func giveTo(path, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	return os.Lchown(path, int(st.Uid), int(st.Gid))
}

// lock waits until nobody else writes to the learner's room: flock(2) of the directory, which the kernel unlocks when its
// holder ends, however that is.
func lock(root string) (unlock func(), err error) {
	dir := filepath.Join(root, Room)
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "flock", Path: dir, Err: err}
	}
	return func() { _ = f.Close() }, nil
}
