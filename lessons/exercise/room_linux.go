package exercise

import (
	"os"
	"path/filepath"
	"syscall"
)

// giveTo changes the owner of what root created to the owner of its directory. With
// `go run -exec sudo ./lessons check` root runs the check, but the files must stay the learner's.
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

// lock waits until no other process writes to Room. It uses flock(2) on the directory: the kernel
// releases the lock when its holder exits, for whatever reason.
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
