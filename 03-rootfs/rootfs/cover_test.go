//go:build linux

package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type covered struct {
	File     string // what a covered file says
	Second   string // and another one
	Dirs     string // what is in the covered directories
	Intruder string // making a file in one of them
	Setting  string // what a read-only file says
	Set      string // writing to it
	SetBelow string // writing to what is mounted below
	At       mountPoint
}

var covering = room.New("cover", 0, func(c *covered) error {
	if err := files(map[string]string{
		"secret": "of the machine", "keys": "of the machine, too", "null": "of the image", "firmware/serial": "4711", "scsi/disk": "0",
		"sys/setting": "1", "sys/below/": "",
	}); err != nil {
		return err
	}
	if err := Memory("sys/below"); err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	paths := func(names ...string) (list []string) {
		for _, n := range names {
			list = append(list, filepath.Join(here, n))
		}
		return list
	}
	null, err := NullDevice()
	if err != nil {
		return err
	}
	// From here on the name means another file, as in a root whose image has a link in the place of /dev.
	if err := unix.Mount("null", "/dev/null", "", unix.MS_BIND, ""); err != nil {
		return err
	}
	err = Cover(null, paths("no-such", "secret", "keys", "firmware", "scsi"), paths("no-such-either", "sys"))
	c.Second = read("keys")
	c.File, c.Dirs, c.Intruder = read("secret"), names("firmware")+names("scsi"), touch("firmware/intruder")
	c.Setting, c.At = read("sys/setting"), mountAt("sys")
	c.Set, c.SetBelow = errno.Outcome(os.WriteFile("sys/setting", []byte("0"), 0o644)), touch("sys/below/new")
	return err
})

// What is masked reads as empty, be it file or directory; what is read-only still reads; what is not there is no error.
func TestCover(t *testing.T) {
	saw, err := covering.Run(t)
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "masked file", saw.File)
	claim.State(t, "another masked file", saw.Second)
	claim.State(t, "masked directories", saw.Dirs)
	claim.State(t, "write in a masked directory", saw.Intruder)
	claim.State(t, "write to the read-only path", saw.Set)
	claim.State(t, "mounted at the read-only path", saw.At)
	claim.NoError(t, "Cover covers files and directories, and passes over what this kernel does not have", err)
	claim.Equal(t, "a masked file reads as empty", "reading it", "", saw.File)
	claim.Equal(t, "and so does another one", "reading it", "", saw.Second)
	claim.Equal(t, "masked directories are empty", "listing them", "", saw.Dirs)
	claim.True(t, "nothing can be made in a masked directory", "open(2) with O_CREAT", saw.Intruder != "allowed", "EROFS or ENOSPC", saw.Intruder)
	claim.Equal(t, "a read-only path can still be read", "reading it", "1", saw.Setting)
	claim.Equal(t, "but not be written", "writing to it", "EROFS", saw.Set)
	claim.Equal(t, "and so it is with what is mounted below it", "open(2) with O_CREAT", "EROFS", saw.SetBelow)
}
