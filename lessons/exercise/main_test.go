//go:build linux

package exercise

import (
	"os"
	"testing"

	"containerkit/lessons/exercise/sandbox"
	"containerkit/lessons/kit/child"
)

func TestMain(m *testing.M) {
	child.Init()
	sandbox.Init()
	os.Exit(m.Run())
}
