// diagnosis: units
//go:build linux && mine

package namespace

import (
	"fmt"
	"os"
	"time"
)

func WriteTimeOffsets(monotonic, boottime time.Duration) error {
	return os.WriteFile("/proc/self/timens_offsets", []byte(fmt.Sprintf("monotonic %d 0\nboottime %d 0\n", monotonic, boottime)), 0)
}
