//go:build linux

package rootfs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Where the kernel cannot lay an overlay upon mapped layers, nobody tries.
func TestKernelsThatTakeMappedLayers(t *testing.T) {
	for release, want := range map[string]bool{
		"5.15.0-91-generic": false, "5.18.0": false, "5.19.0-rc1": true, "6.1.0-38-cloud-amd64": true, "6.18.44": true, "4.19.0": false, "strange": false,
	} {
		require.Equal(t, want, takesMapped(release), release)
	}
}
