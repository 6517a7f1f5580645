// diagnosis: nothing-written
//go:build linux && mine

package namespace

import "time"

func WriteTimeOffsets(time.Duration, time.Duration) error { return nil }
