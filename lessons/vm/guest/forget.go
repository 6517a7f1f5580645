//go:build linux

package guest

import (
	"fmt"
	"os"
	"time"
)

// forget keeps the guest from knowing more of the host's files than limit; 0 is no limit. virtiofsd, outside, holds a
// descriptor for every file whose inode the guest keeps in memory, and a guest with memory to spare keeps them all: one
// walk through /usr, and no file can be opened any more (EMFILE). So whenever many have come we have the kernel drop those
// that are not in use: /proc/sys/vm/drop_caches, in Documentation/admin-guide/sysctl/vm.rst.
func forget(limit uint64) {
	if limit == 0 {
		return
	}
	// A file counts twice, in the host's tree and in the overlay; and there are the guest's own, which we cannot tell apart.
	kept := inodes()
	for {
		time.Sleep(200 * time.Millisecond)
		if inodes() > kept+limit/4 {
			// 2: inodes and directory entries, not the contents of files.
			if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
				return
			}
			kept = inodes()
		}
	}
}

// inodes is how many the kernel has in memory, of all file systems: the first number in /proc/sys/fs/inode-nr.
// Documentation/admin-guide/sysctl/fs.rst
func inodes() (n uint64) {
	text, err := os.ReadFile("/proc/sys/fs/inode-nr")
	if err == nil {
		_, _ = fmt.Sscan(string(text), &n)
	}
	return n
}
