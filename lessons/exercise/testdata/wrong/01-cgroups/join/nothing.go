// diagnosis: nobody
//go:build linux && mine

package cgroup

import "os"

func JoinSelf([]*os.File) error { return nil }
