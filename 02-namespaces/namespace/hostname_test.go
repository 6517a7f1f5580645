//go:build linux

package namespace

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type named struct {
	Host, Domain string
	TooLong      string // the error for a name that is too long
	Errno        bool   // reports whether it is the kernel's EINVAL
}

var naming = room.New("hostname", unix.CLONE_NEWUTS, func(n *named) error {
	err := SetHostname("inside.example")
	var u unix.Utsname
	if e := unix.Uname(&u); e != nil {
		return e
	}
	n.Host, n.Domain = unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Domainname[:])
	// no space for the final NUL
	if e := SetHostname(strings.Repeat("x", len(u.Nodename))); e != nil {
		n.TooLong, n.Errno = e.Error(), errors.Is(e, unix.EINVAL)
	}
	return err
})

func TestSetHostname(t *testing.T) {
	saw, err := naming.Run(t)
	var u unix.Utsname
	claim.NoError(t, "uname(2) works", unix.Uname(&u))
	outside := unix.ByteSliceToString(u.Nodename[:])
	claim.State(t, "hostname inside", strconv.Quote(saw.Host))
	claim.State(t, "hostname outside", strconv.Quote(outside))
	claim.State(t, "domain inside", strconv.Quote(saw.Domain))
	claim.State(t, "too long", strconv.Quote(saw.TooLong))
	claim.NoError(t, "root in a UTS namespace can set its hostname", err)
	claim.Equal(t, "the hostname inside is the one that was set", "uname(2), nodename, inside", `"inside.example"`, strconv.Quote(saw.Host))
	const from = "the error for a name of 65 bytes"
	claim.True(t, "a name that the kernel does not take is an error", from,
		saw.TooLong != "", "an error", "no error")
	claim.True(t, "the error names the system call", from,
		strings.Contains(saw.TooLong, "sethostname") && saw.Errno, "sethostname: invalid argument", saw.TooLong)
	claim.True(t, "the hostname outside is unchanged", "uname(2), nodename, outside",
		outside != "inside.example", "another one", outside)
}
