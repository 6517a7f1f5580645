// diagnosis: bare-error

//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func SetHostname(name string) error { return unix.Sethostname([]byte(name)) }
