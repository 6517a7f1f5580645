// diagnosis: unchanged
//go:build linux && mine

package namespace

func SetHostname(string) error { return nil }
