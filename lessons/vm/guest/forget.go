//go:build linux

package guest

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// forget keeps the guest from knowing more of the host's files than limit; 0 is no limit. virtiofsd, outside, holds a
// descriptor for every file whose inode the guest keeps in memory, and UML for those of them that were opened once; a
// guest with memory to spare keeps them all: one walk through /usr, and no file can be opened any more (EMFILE). So
// whenever many have come we have the kernel drop those that are not in use: /proc/sys/vm/drop_caches, in
// Documentation/admin-guide/sysctl/vm.rst.
//
// The other half of limit must last until it looks again, and what was dropped has been closed outside, which takes up to
// a tenth of a second. A look takes some milliseconds in emulation, so it looks only as often as that needs, and once in a
// second at least: each new file is a question to virtiofsd, and so a guest learns of 30,000 in a second at most.
func forget(limit uint64) {
	if limit == 0 {
		return
	}
	pause := time.Duration(min(limit, 60_000)/2) * time.Second / 30_000
	for {
		time.Sleep(pause)
		if known() > limit/2 {
			// 2: inodes and directory entries, not the contents of files.
			if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
				return
			}
		}
	}
}

// known is how many of the host's files the kernel has in memory: the objects in use of FUSE's inodes or hostfs's, the
// second number in their line of slabinfo(5).
func known() (n uint64) {
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0
	}
	for _, kind := range []string{"fuse_inode", "hostfs_inode_info"} {
		var some uint64
		_, line, _ := strings.Cut(string(text), "\n"+kind+" ")
		_, _ = fmt.Sscan(line, &some)
		n += some
	}
	return n
}
