// diagnosis: domain
//go:build linux && mine

package namespace

import "golang.org/x/sys/unix"

func SetHostname(name string) error { return unix.Setdomainname([]byte(name)) }
