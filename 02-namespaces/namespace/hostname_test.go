//go:build linux

package namespace

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
)

type named struct{ Host, Domain string }

var naming = room.New("hostname", unix.CLONE_NEWUTS, func(n *named) error {
	err := SetHostname("inside.example")
	var u unix.Utsname
	if e := unix.Uname(&u); e != nil {
		return e
	}
	n.Host, n.Domain = unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Domainname[:])
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
	claim.NoError(t, "root of a UTS namespace may set its hostname", err)
	claim.Equal(t, "the hostname inside is the one that was set", "uname(2), nodename, inside", `"inside.example"`, strconv.Quote(saw.Host))
	claim.True(t, "the hostname outside stays", "uname(2), nodename, outside", outside != "inside.example", "another one", outside)
}
