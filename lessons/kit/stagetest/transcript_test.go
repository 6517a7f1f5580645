//go:build linux

package stagetest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiffer(t *testing.T) {
	const out = "a 1\n  b is\n  wrapped 22 x\nc\nd\n"
	for _, transcript := range []string{out, "a 7\nb is wrapped\n3 x\nc\nd", "…\nc\nd", "a 2\n…\nwrapped 9 x\n…\nd", "a 2\n…", "…"} {
		require.Empty(t, Differ(transcript, out), transcript)
	}
	for transcript, want := range map[string]string{
		"a 1\nb":          "also printed: is wrapped N x c d",
		"a 1\nx":          "not printed: x",
		"b\n…":            "not printed: b",
		"…\nc":            "not printed: c",
		"…\nc d e":        "not printed: c d e",
		"a\n…\nc e\n…\nd": "not printed: e",
		"…\nd\n…\nc\n…":   "not printed: c",
		out + "e":         "not printed: e",
	} {
		require.Equal(t, want, Differ(transcript, out), transcript)
	}
}
