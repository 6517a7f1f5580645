// diagnosis: more-than-the-name
//go:build linux && mine

package namespace

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func SetHostname(name string) error { return unix.Sethostname(fmt.Appendf(nil, "%s-1", name)) }
