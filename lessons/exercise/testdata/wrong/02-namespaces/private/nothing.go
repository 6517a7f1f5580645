// diagnosis: still-shared
//go:build linux && mine

package namespace

func MakePrivate() error { return nil }
