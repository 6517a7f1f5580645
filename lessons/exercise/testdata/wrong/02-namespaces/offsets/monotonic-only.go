// diagnosis: one-clock
//go:build linux && mine

package namespace

import (
	"os"
	"time"
)

func WriteTimeOffsets(monotonic, boottime time.Duration) error {
	return os.WriteFile("/proc/self/timens_offsets", []byte(offset("monotonic", monotonic)), 0)
}
